import { batchNHWC } from '../golden.js';
import type { Laboratory } from '../laboratory.js';
import {
  type BatchNormParameters,
  normalize,
  type RawNetwork,
  rawNetwork,
  relu,
} from './raw-network.js';
import type { Finding, Lineup } from './suspect.js';

const CURE = 'Call model.eval() in PyTorch before the golden file is made.';

/** Dropout before `fc`: torchvision's default. */
const DROPOUT = 0.2;

/** A golden file from a model in training mode: statistics of the batch, and dropout before `fc`. */
export const trainingMode: Lineup = function* (lab) {
  const recorded = lab.golden.provenance?.training === true;
  const rest = { id: 'training-mode', cure: CURE };
  const raw = rawNetwork(lab);
  if (raw !== null) {
    yield {
      ...rest,
      description: 'BatchNorm with the statistics of the batch',
      summary:
        'the golden file was made in training mode: BatchNorm took the statistics of the batch',
      measure: (_lab, before) => inTrainingMode(lab, raw, before, recorded),
    };
  }
  yield {
    ...rest,
    description: 'dropout before fc',
    summary: 'the golden file was made with dropout before fc, as in training mode',
    measure: (_lab, before) => withDropout(lab, before),
  };
  if (recorded) {
    yield {
      ...rest,
      description: 'a golden file that says it is from training mode',
      summary: 'the golden file says that it was made in training mode',
      measure: async (_lab, before) => ({ error: before, convicted: true }),
    };
  }
};

async function inTrainingMode(
  lab: Laboratory,
  { model, batchNorms }: RawNetwork,
  before: number,
  recorded: boolean,
): Promise<Finding> {
  let features = new Float32Array();
  const logits = await lab.runBatch(model, batchNHWC(lab.golden), async (layer, _shape, read) => {
    if (layer === 'avgpool') features = (await read()).slice();
    const parameters = batchNorms.get(layer);
    if (parameters === undefined) return undefined;
    const values = await read();
    return relu(normalize(values, { ...parameters, ...statistics(values, parameters) }));
  });
  const error = lab.worstRowError(logits);
  if (error <= lab.goal) return { error };
  const dropped = looksDropped(lab, logits, features) && error < before;
  return { error, convicted: dropped || (recorded && error < before) };
}

async function withDropout(lab: Laboratory, before: number): Promise<Finding> {
  let features = new Float32Array();
  const logits = await lab.runBatch(undefined, batchNHWC(lab.golden), async (layer, _, read) => {
    if (layer === 'avgpool') features = (await read()).slice();
    return undefined;
  });
  return { error: before, convicted: looksDropped(lab, logits, features) };
}

/** Mean and biased variance of each channel over the batch and its pixels. */
function statistics(
  values: Float32Array,
  { gamma }: BatchNormParameters,
): Pick<BatchNormParameters, 'mean' | 'variance'> {
  const channels = gamma.length;
  const count = values.length / channels;
  const mean = new Float64Array(channels);
  for (const [i, value] of values.entries()) mean[i % channels] = (mean[i % channels] ?? 0) + value;
  for (let c = 0; c < channels; c++) mean[c] = (mean[c] as number) / count;
  const variance = new Float64Array(channels);
  for (const [i, value] of values.entries()) {
    const c = i % channels;
    variance[c] = (variance[c] as number) + (value - (mean[c] as number)) ** 2 / count;
  }
  return { mean: Float32Array.from(mean), variance: Float32Array.from(variance) };
}

/**
 * Whether the logits differ as dropout makes them. Each feature f is dropped with probability p and
 * else divided by 1 − p, so that a logit strays from Σ w f with a variance of p / (1 − p) · Σ w² f²;
 * measured in that unit, the mean square over many logits is near 1. All logits of an image share
 * the same draws, so that it is a mean of few independent numbers, and the bounds are wide; chance
 * alone would have to hit two octaves out of the many that errors span.
 */
function looksDropped(lab: Laboratory, logits: Float32Array, features: Float32Array): boolean {
  const kernel = lab.model.weights.get('fc/kernel')?.data;
  const { numClasses, logits: expected } = lab.golden;
  if (kernel === undefined || features.length === 0) return false;
  const length = kernel.length / numClasses;
  let sum = 0;
  for (let i = 0; i < expected.length; i++) {
    const [image, column] = [Math.floor(i / numClasses), i % numClasses];
    let variance = 0;
    for (let f = 0; f < length; f++) {
      const product =
        (features[image * length + f] as number) * (kernel[f * numClasses + column] as number);
      variance += (product ** 2 * DROPOUT) / (1 - DROPOUT);
    }
    sum += ((logits[i] as number) - (expected[i] as number)) ** 2 / variance;
  }
  const ratio = sum / expected.length;
  return ratio > 1 / 2 && ratio < 2;
}
