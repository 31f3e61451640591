import { batchNormWith } from '../../../network/plan.js';
import { channelError, channelErrors, LOCAL_GOAL } from '../../local/errors.js';
import { activated, type ConvCase, convolved } from '../../local/layer-case.js';
import { BATCH_NORM_EPS, NAME } from '../../structure.js';
import { showEpsilon } from '../batch-norm.js';
import type { BatchNormParameters } from '../raw-network.js';
import { CONVERT_AGAIN, TORCHVISION_GOLDEN } from '../suspect.js';
import { ofBatch } from './batch-moved.js';
import { type Affine, fitChannels } from './channel-fit.js';
import { type ConvExplainer, type Explanation, VAGUE } from './explanation.js';

type Story = Omit<Explanation, 'error'>;

/** The convolution is right, and each channel is scaled and moved otherwise than it should be. */
export const otherBatchNorm: ConvExplainer = (each, cases) => {
  const raw = convolved(each);
  const fit = fitChannels(raw, each);
  const exact = each.batchNorm && known(each, each.batchNorm, raw, fit);
  if (exact) return { ...exact, error: LOCAL_GOAL };
  if (fit === null) return undefined;
  const errors = channelErrors(each.expected, activated(raw, each, fit), each.channels);
  const error = Math.max(...fit.seen.map((c) => errors[c] as number));
  if (error > 2 * LOCAL_GOAL) return undefined;
  const story = each.batchNorm && ofBatch(each, each.batchNorm, fit);
  return { ...(story ?? unknown(each, raw, fit, cases.fromCheckpoint)), error };
};

/** One of the usual ways in which all of a BatchNorm goes wrong. */
function known(
  each: ConvCase,
  batchNorm: BatchNormParameters,
  raw: Float64Array,
  fit: Affine | null,
): Story | undefined {
  const { gamma, beta, mean, variance } = batchNorm;
  const [zeros, ones] = [gamma.map(() => 0), gamma.map(() => 1)];
  const epsilons = [...(fit === null ? [] : epsilonsOf(fit, batchNorm)), 1e-5, 1e-2];
  const trials: (readonly [Story, BatchNormParameters, number])[] = [
    ...epsilons.map((eps) => [epsilonStory(eps), batchNorm, eps] as const),
    [RESET, { gamma, beta, mean: zeros, variance: ones }, BATCH_NORM_EPS],
    [statistics('running_mean', 'zero'), { ...batchNorm, mean: zeros }, BATCH_NORM_EPS],
    [statistics('running_var', 'one'), { ...batchNorm, variance: ones }, BATCH_NORM_EPS],
    [
      affine('weight and bias', 'one and zero'),
      { ...batchNorm, gamma: ones, beta: zeros },
      BATCH_NORM_EPS,
    ],
    [affine('weight', 'one'), { ...batchNorm, gamma: ones }, BATCH_NORM_EPS],
    [affine('bias', 'zero'), { ...batchNorm, beta: zeros }, BATCH_NORM_EPS],
    [EXCHANGED, { gamma, beta, mean: variance, variance: mean.map(Math.abs) }, BATCH_NORM_EPS],
    [NONE, { gamma: ones, beta: zeros, mean: zeros, variance: ones }, 0],
  ];
  for (const [story, { gamma, beta, mean, variance }, epsilon] of trials) {
    const trial = batchNormWith(epsilon)(gamma, beta, mean, variance);
    const output = activated(raw, each, trial);
    if (channelError(each.expected, output, each.channels) <= 2 * LOCAL_GOAL) return story;
  }
  const output = activated(raw, each, { scale: overNorms(each) });
  return channelError(each.expected, output, each.channels) <= 2 * LOCAL_GOAL ? NORMED : undefined;
}

/**
 * From `scale = gamma / sqrt(variance + eps)`, where the variance is least; epsilons are round numbers, so
 * that the roundest goes first.
 */
function epsilonsOf(
  { scale, seen }: Affine,
  { gamma, variance }: BatchNormParameters,
): readonly number[] {
  const least = [...seen]
    .filter((c) => Math.abs(gamma[c] as number) > 1e-6)
    .sort((a, b) => (variance[a] as number) - (variance[b] as number))
    .slice(0, 5)
    .map((c) => ((gamma[c] as number) / (scale[c] as number)) ** 2 - (variance[c] as number))
    .sort((a, b) => a - b);
  const eps = least[least.length >> 1];
  if (eps === undefined || !(eps > -1e-4 && eps < 10)) return [];
  if (eps < 3e-5) return [1e-5, 1e-6, 0];
  return [Number(eps.toPrecision(1)), Number(eps.toPrecision(2))];
}

function epsilonStory(eps: number): Story {
  const whose = eps === 1e-5 ? ", PyTorch's default," : '';
  return {
    key: `epsilon ${eps}`,
    id: 'batch-norm-eps',
    summary: (where) =>
      `PyTorch's network has BatchNorm with an epsilon of ${showEpsilon(eps)}${whose} where ${NAME} has ${showEpsilon(BATCH_NORM_EPS)}, in ${where}`,
    cure: TORCHVISION_GOLDEN,
  };
}

const RESET: Story = {
  key: 'statistics reset',
  id: 'batch-norm-statistics',
  summary: (where) =>
    `PyTorch's network has the running statistics of BatchNorm reset, mean 0 and variance 1, in ${where}`,
  cure: 'Load the checkpoint with its running_mean and running_var, then capture.',
};

function statistics(field: string, value: string): Story {
  return {
    ...RESET,
    key: `${field} reset`,
    summary: (where) => `PyTorch's network has ${field} of BatchNorm all ${value}, in ${where}`,
  };
}

function affine(field: string, value: string): Story {
  return {
    key: `${field} reset`,
    id: 'batch-norm-affine',
    summary: (where) => `PyTorch's network has ${field} of BatchNorm all ${value}, in ${where}`,
    cure: TORCHVISION_GOLDEN,
  };
}

const EXCHANGED: Story = {
  ...RESET,
  key: 'statistics exchanged',
  summary: (where) => `PyTorch's network has running_mean and running_var exchanged, in ${where}`,
};

const NONE: Story = {
  key: 'no BatchNorm',
  id: 'batch-norm-affine',
  summary: (where) => `PyTorch's network has no BatchNorm in ${where}`,
  cure: TORCHVISION_GOLDEN,
};

const NORMED: Story = {
  key: 'kernels normed',
  id: 'kernel-normed',
  summary: (where) =>
    `PyTorch's network has each filter divided by its norm, as by weight_norm whose g is lost or 1, in ${where}`,
  cure: 'Load weight_norm with its g, or remove it, and capture.',
};

/** Scales that divide by the norm of each filter, too. */
function overNorms({ kernel, channels, scale }: ConvCase): Float64Array {
  const squares = new Float64Array(channels);
  for (const [i, value] of kernel.entries()) {
    squares[i % channels] = (squares[i % channels] as number) + value * value;
  }
  return scale.map((value, c) => value / Math.sqrt(squares[c] as number));
}

/** Scales and offsets that follow no rule: the kernel is cleared all the same. */
function unknown(each: ConvCase, raw: Float64Array, fit: Affine, fromCheckpoint: boolean): Story {
  const { scale, offset, seen } = fit;
  const differs = (a: Float64Array, b: Float64Array, c: number, unit: number) =>
    Math.abs((a[c] as number) - (b[c] as number)) > 1e-3 * Math.abs(unit);
  const kept = movedAlone(each, raw, seen);
  const scaled = kept
    ? []
    : seen.filter((c) => differs(scale, each.scale, c, each.scale[c] as number));
  const spread = Math.sqrt(
    seen.reduce((sum, c) => sum + (each.offset[c] as number) ** 2, 0) / seen.length,
  );
  const moved = seen.filter((c) => differs(offset, each.offset, c, spread));
  const ratio = uniform(seen.map((c) => (scale[c] as number) / (each.scale[c] as number)));
  if (ratio !== undefined && moved.length === 0) return scaledKernel(each, ratio, fromCheckpoint);
  const changed = scaled.length > 0 ? scaled : moved;
  const odd = changed.length > 0 ? changed : wrongChannels(each);
  const which =
    odd.length < seen.length
      ? ` (output channel${odd.length === 1 ? '' : 's'} ${odd.slice(0, 4).join(', ')}${odd.length > 4 ? ` and ${odd.length - 4} more` : ''} of ${each.channels})`
      : '';
  const silent = odd.filter((c) => isSilent(each, c));
  if (silent.length === odd.length) return silentStory(each, which);
  if (!fromCheckpoint && addsNothing(each, fit)) return NO_OFFSET;
  if (!fromCheckpoint) return folded(each, !kept, which, odd.length < seen.length / 2);
  const fields = kept ? 'bias or running_mean' : 'weight, bias, running_mean or running_var';
  return {
    key: odd.length < seen.length / 2 ? `channels of ${each.name}` : kept ? VAGUE.bias : VAGUE.norm,
    id: 'batch-norm',
    tensor: `${each.name}/${kept ? 'bias' : 'kernel'}`,
    summary: (where) =>
      `PyTorch's BatchNorm of ${where} has another ${fields} than the checkpoint${which}; the kernel is the checkpoint's`,
    cure: 'The model has what the checkpoint has: look at what PyTorch loaded, or at its code.',
  };
}

/** Whether PyTorch's channels are scaled alone, where the model's are moved, too. */
function addsNothing(each: ConvCase, { offset, seen }: Affine): boolean {
  const spread = (values: Float64Array) => Math.hypot(...seen.map((c) => values[c] as number));
  return seen.length > 3 && spread(offset) < 1e-4 * spread(each.offset);
}

const NO_OFFSET: Story = {
  key: 'no offset',
  id: 'batch-norm-affine',
  summary: (where) =>
    `PyTorch's network has no BatchNorm in ${where}, or one that has lost its bias and running_mean: its convolutions are scaled alone`,
  cure: TORCHVISION_GOLDEN,
};

/** Whether other offsets do, with the scales as they should be. */
function movedAlone(each: ConvCase, raw: Float64Array, seen: readonly number[]): boolean {
  const { channels, expected, scale } = each;
  const offset = each.offset.slice();
  for (const c of seen) {
    let [sum, count] = [0, 0];
    for (let i = c; i < raw.length; i += channels) {
      if (expected[i] === 0) continue;
      sum += (expected[i] as number) - (raw[i] as number) * (scale[c] as number);
      count++;
    }
    offset[c] = sum / count;
  }
  const errors = channelErrors(expected, activated(raw, each, { offset }), channels);
  return seen.every((c) => (errors[c] as number) <= 2 * LOCAL_GOAL);
}

/** Channels of which too little is seen to tell more: they fell silent, or speak at all. */
function wrongChannels(each: ConvCase): number[] {
  const errors = channelErrors(each.expected, activated(convolved(each), each), each.channels);
  return Array.from(errors.keys()).filter((c) => (errors[c] as number) > LOCAL_GOAL);
}

function isSilent({ expected, channels }: ConvCase, channel: number): boolean {
  for (let i = channel; i < expected.length; i += channels) if (expected[i] !== 0) return false;
  return true;
}

/** A channel that gives zeros may have lost its kernel, or have a bias that ReLU never lets through. */
function silentStory(each: ConvCase, which: string): Story {
  return {
    key: `channels of ${each.name}`,
    id: 'corrupt-tensor',
    tensor: each.name,
    summary: (where) =>
      `PyTorch's ${where} gives nothing but zeros${which}: its weights there are lost or far off`,
    cure: 'Look at what PyTorch loaded, or at its code.',
  };
}

/** The one number that all are, if it is another than 1. */
function uniform(ratios: readonly number[]): number | undefined {
  const sorted = [...ratios].sort((a, b) => a - b);
  const middle = sorted[sorted.length >> 1] as number;
  const alike = sorted.every((ratio) => Math.abs(ratio - middle) <= 1e-4 * Math.abs(middle));
  return alike && Math.abs(middle - 1) > 1e-3 ? middle : undefined;
}

function scaledKernel(each: ConvCase, ratio: number, fromCheckpoint: boolean): Story {
  return {
    key: `kernel times ${ratio.toPrecision(4)}`,
    id: 'corrupt-tensor',
    tensor: `${each.name}/kernel`,
    summary: (where) =>
      `PyTorch's ${where} has ${Number(ratio.toPrecision(4))} times the weights that the ${fromCheckpoint ? 'checkpoint' : 'model'} has`,
    cure: fromCheckpoint ? 'Look at what PyTorch loaded, or at its code.' : CONVERT_AGAIN,
  };
}

/** Without the checkpoint: what BatchNorm became when it was folded. */
function folded(each: ConvCase, scaled: boolean, which: string, few: boolean): Story {
  const tensor = `${each.name}/${scaled ? 'kernel' : 'bias'}`;
  return {
    key: few ? `channels of ${each.name}` : scaled ? VAGUE.norm : VAGUE.bias,
    id: 'corrupt-tensor',
    tensor,
    summary: (where) =>
      scaled
        ? `the channels of ${where} are scaled and moved otherwise in PyTorch's network${which}: its BatchNorm, not the shape of its kernels`
        : `${where}/bias is not the same in the model as in PyTorch's network${which}`,
    cure: `${CONVERT_AGAIN} If that does not help, look at what PyTorch loaded.`,
  };
}
