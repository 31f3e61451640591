import { channelError, channelErrors, LOCAL_GOAL } from '../../local/errors.js';
import { type ConvCase, convolved } from '../../local/layer-case.js';
import { NAME } from '../../structure.js';
import { TORCHVISION_GOLDEN } from '../suspect.js';
import { type Affine, fitChannels } from './channel-fit.js';
import type { ConvExplainer, Explanation } from './explanation.js';

/** BatchNorm after ReLU: then what ReLU cut off comes out as one number a channel, and no zero. */
export const reluFirst: ConvExplainer = (each) => {
  const raw = convolved(each);
  const direct = channelError(each.expected, apply(raw.map(relu), each), each.channels);
  if (each.batchNorm !== null && direct <= LOCAL_GOAL) return { ...RELU_FIRST, error: direct };
  // A kernel with BatchNorm folded in has lost the sign that ReLU saw.
  const signs = each.batchNorm === null ? [1, -1] : [1];
  const fits = signs.flatMap((sign) =>
    errorsOf(
      each,
      raw.map((value) => relu(sign * value)),
    ),
  );
  const seen = Array.from({ length: each.channels }, (_, c) =>
    Math.min(...fits.map((errors) => errors.get(c) ?? Infinity)),
  ).filter(Number.isFinite);
  const error = Math.max(...seen);
  return seen.length >= each.channels / 2 && error <= 2 * LOCAL_GOAL
    ? { ...RELU_FIRST, error }
    : undefined;
};

/** What is left of each channel of which enough is seen. */
function errorsOf(each: ConvCase, values: Float64Array): ReadonlyMap<number, number>[] {
  const fit = fitChannels(values, each);
  const cut = values.filter((value, i) => value === 0 && each.expected[i] !== 0).length;
  // Where ReLU cut nothing off, nothing tells it from none.
  if (fit === null || cut < each.channels) return [];
  const errors = channelErrors(each.expected, apply(values, fit), each.channels);
  return [new Map(fit.seen.map((c) => [c, errors[c] as number]))];
}

const relu = (value: number) => Math.max(0, value);

function apply(values: Float64Array, { scale, offset }: Omit<Affine, 'seen'>): Float64Array {
  return values.map((value, i) => {
    const c = i % scale.length;
    return value * (scale[c] as number) + (offset[c] as number);
  });
}

export const RELU_FIRST: Omit<Explanation, 'error'> = {
  key: 'relu first',
  id: 'batch-norm-order',
  summary: (where) =>
    `PyTorch's network has ReLU before BatchNorm (convolution, ReLU, BatchNorm), where ${NAME} has it after, in ${where}`,
  cure: TORCHVISION_GOLDEN,
};
