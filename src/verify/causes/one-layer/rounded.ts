import { batchNormWith } from '../../../network/plan.js';
import { channelError, LOCAL_GOAL } from '../../local/errors.js';
import { activated, type ConvCase, convolved, errorOf } from '../../local/layer-case.js';
import { BFLOAT16, FLOAT16, isOnGrid, type Rounding, TF32, TF32_CUT } from '../../rounding.js';
import { BATCH_NORM_EPS } from '../../structure.js';
import { TORCHVISION_GOLDEN } from '../suspect.js';
import type { ConvExplainer, Explanation } from './explanation.js';

/** A layer whose weights were rounded, or that was computed in less than float32. */
export const lessPrecision: ConvExplainer = (each) => {
  // A bfloat16 number mostly is a float16 number too, so the coarser grid goes first.
  for (const rounding of [BFLOAT16, FLOAT16]) {
    const found = roundedWeights(each, rounding) ?? computedIn(each, rounding);
    if (found !== undefined) return found;
  }
  return inTf32(each);
};

function roundedWeights(each: ConvCase, rounding: Rounding): Explanation | undefined {
  if (each.batchNorm === null) return undefined;
  const { name, round } = rounding;
  const { gamma, beta, mean, variance } = each.batchNorm;
  const batchNorm = batchNormWith(BATCH_NORM_EPS)(
    round(gamma),
    round(beta),
    round(mean),
    round(variance),
  );
  const error = errorOf(each, { kernel: round(each.kernel), ...batchNorm }, LOCAL_GOAL);
  if (error > LOCAL_GOAL) return undefined;
  return {
    key: `weights ${name}`,
    id: `precision-${name}`,
    summary: (where) => `PyTorch's weights were rounded to ${name}, in ${where}`,
    cure: TORCHVISION_GOLDEN,
    error,
  };
}

/**
 * What went in, the kernel and what came out rounded stray from float32 about as far as PyTorch's output
 * does: single roundings went another way, and BatchNorm may have been rounded or not.
 */
function computedIn(each: ConvCase, { name, round, bits }: Rounding): Explanation | undefined {
  const input = { ...each.input, data: round(each.input.data) };
  const raw = convolved(each, { input, kernel: round(each.kernel) });
  const [exact, rounded] = [
    activated(convolved(each), each),
    activated(Float64Array.from(round(Float32Array.from(raw))), each),
  ];
  const [off, error] = [exact, rounded].map((output) =>
    channelError(each.expected, output, each.channels),
  ) as [number, number];
  const onGrid = isOnGrid(Float32Array.from(each.expected), { name, round, bits });
  const [most, least] = [2 ** -bits * (onGrid ? 64 : 4), 2 ** -bits / 64];
  if (off > most || off < least || (!onGrid && error > off / 4)) return undefined;
  return {
    key: `computed ${name}`,
    id: `precision-${name}`,
    summary: (where) => `PyTorch computed in ${name}, in ${where}`,
    cure: 'Make the golden file in float32: model.float(), and no autocast.',
    error,
  };
}

/** Hardware rounds or cuts, and a simulation may do either with each side. */
function inTf32(each: ConvCase): Explanation | undefined {
  const off = errorOf(each);
  if (off > MOST_BY_TF32) return undefined;
  const ways = [TF32, TF32_CUT].flatMap((one) =>
    [TF32, TF32_CUT].map((two) => [one, two] as const),
  );
  const errors = ways.map(([first, second]) => {
    const input = { ...each.input, data: first.round(each.input.data) };
    return errorOf(each, { input, kernel: second.round(each.kernel) });
  });
  const error = Math.min(...errors);
  // What rounding is not to blame for, rounding does not halve.
  if (error > LOCAL_GOAL && error > off / 2) return undefined;
  return {
    key: 'computed tf32',
    id: 'precision-tf32',
    summary: (where) =>
      `PyTorch computed in TF32, as it does by default on NVIDIA GPUs since Ampere, in ${where}`,
    cure: 'Set torch.backends.cudnn.allow_tf32 = False and torch.backends.cuda.matmul.allow_tf32 = False, or capture on the CPU.',
    error,
  };
}

/** Ten bits of mantissa, and what a channel of little energy makes of them. */
const MOST_BY_TF32 = 2 ** -5;
