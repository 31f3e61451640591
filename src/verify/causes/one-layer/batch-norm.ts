import { batchNormWith } from '../../../network/plan.js';
import { channelError, channelErrors, LOCAL_GOAL } from '../../local/errors.js';
import { activated, type ConvCase, convolved } from '../../local/layer-case.js';
import { BATCH_NORM_EPS, NAME } from '../../structure.js';
import { showEpsilon } from '../batch-norm.js';
import type { BatchNormParameters } from '../raw-network.js';
import { TORCHVISION_GOLDEN } from '../suspect.js';
import { ofBatch } from './batch-moved.js';
import { type Affine, fitChannels } from './channel-fit.js';
import type { ConvExplainer, Explanation } from './explanation.js';
import { unknownBatchNorm } from './unknown-batch-norm.js';

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
  return { ...(story ?? unknownBatchNorm(each, raw, fit, cases.fromCheckpoint)), error };
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
