import type { ConvCase } from '../../local/layer-case.js';
import { BATCH_NORM_EPS } from '../../structure.js';
import type { BatchNormParameters } from '../raw-network.js';
import { batchStatistics } from './batch-statistics.js';
import type { Affine } from './channel-fit.js';
import { type Explanation, VAGUE } from './explanation.js';

type Story = Omit<Explanation, 'error'>;

const BATCH: Story = {
  key: 'statistics of the batch',
  id: 'training-mode',
  summary: (where) =>
    `the golden file was made in training mode: BatchNorm took the statistics of the batch, in ${where}`,
  cure: 'Call model.eval() in PyTorch before the golden file is made.',
};

/** Statistics of this batch, or those of the running ones that have moved towards it. */
export function ofBatch(
  each: ConvCase,
  batchNorm: BatchNormParameters,
  fit: Affine,
): Story | undefined {
  const channels = fit.seen.slice(0, 6);
  const found = impliedStatistics(fit, batchNorm, channels);
  const batch = batchStatistics(each, channels);
  const close = (a: number, b: number, unit: number) => Math.abs(a - b) <= 1e-3 * unit;
  const all = (holds: (i: number) => boolean) => channels.every((_, i) => holds(i));
  const at = (list: readonly number[], i: number) => list[i] as number;
  const deviation = (i: number) => Math.sqrt(at(batch.variance, i)) + 1e-6;
  const taken = all(
    (i) =>
      close(at(found.mean, i), at(batch.mean, i), deviation(i)) &&
      close(at(found.variance, i), at(batch.variance, i), at(batch.variance, i) + BATCH_NORM_EPS),
  );
  if (taken) return BATCH;
  const shares = channels.map((c, i) => {
    const running = batchNorm.mean[c] as number;
    return (at(found.mean, i) - running) / (at(batch.mean, i) - running);
  });
  const share = [...shares].sort((a, b) => a - b)[shares.length >> 1] as number;
  const moved = share > 0.005 && share < 0.9 && shares.every((each) => close(each, share, 10));
  return moved ? { ...MOVED, summary: (where) => MOVED.summary(where) } : undefined;
}

const MOVED: Story = {
  key: VAGUE.norm,
  id: 'batch-norm-statistics',
  summary: (where) =>
    `PyTorch's running statistics of BatchNorm have moved on from the checkpoint's, in ${where}: the model ran this batch in training mode before`,
  cure: 'Load the checkpoint, call model.eval() at once, and capture.',
};

/** The mean and variance that give such scales and offsets with the checkpoint's weight and bias. */
function impliedStatistics(
  { scale, offset }: Affine,
  { gamma, beta }: BatchNormParameters,
  channels: readonly number[],
) {
  const at = (list: ArrayLike<number>, c: number) => list[c] as number;
  return {
    mean: channels.map((c) => (at(beta, c) - at(offset, c)) / at(scale, c)),
    variance: channels.map((c) => (at(gamma, c) / at(scale, c)) ** 2 - BATCH_NORM_EPS),
  };
}
