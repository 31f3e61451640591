import { measureErrors } from '../compare.js';
import { batchNHWC } from '../golden.js';
import type { Laboratory } from '../laboratory.js';
import { toNCHW } from '../layers.js';
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
  const rest = { id: 'training-mode', cure: CURE };
  const raw = rawNetwork(lab);
  if (raw !== null) {
    yield {
      ...rest,
      description: 'BatchNorm with the statistics of the batch',
      summary:
        'the golden file was made in training mode: BatchNorm took the statistics of the batch',
      measure: () => withBatchStatistics(lab, raw),
    };
  }
  if (lab.layers?.firstJump === 'fc' && lab.golden.activations.has('avgpool')) {
    yield {
      ...rest,
      description: 'dropout before fc',
      summary: 'the golden file was made with dropout before fc, as in training mode',
      measure: (_lab, before) => withDropout(lab, before),
    };
  }
  if (lab.golden.provenance?.training === true) {
    yield {
      ...rest,
      description: 'a golden file that says it is from training mode',
      summary: 'the golden file says that it was made in training mode',
      measure: async (_lab, before) => ({ error: before, convicted: true }),
    };
  }
};

/** Dropout spoils the logits for good, so that the layers before it must tell where there are any. */
async function withBatchStatistics(
  lab: Laboratory,
  { model, batchNorms }: RawNetwork,
): Promise<Finding> {
  let worst = 0;
  const logits = await lab.runBatch(
    model,
    batchNHWC(lab.golden),
    async (layer, [images = 0], read) => {
      const parameters = batchNorms.get(layer);
      if (parameters === undefined) return undefined;
      const values = await read();
      const output = relu(normalize(values, { ...parameters, ...statistics(values, parameters) }));
      const recorded = lab.golden.activations.get(layer);
      if (recorded !== undefined) {
        const shape = [images, output.length / images / parameters.gamma.length];
        const found = toNCHW(output, [...shape, parameters.gamma.length]);
        worst = Math.max(worst, measureErrors(recorded.data, found).relativeError);
      }
      return output;
    },
  );
  const error = lab.worstRowError(logits);
  const layersAgree = lab.layers !== null && lab.layers.layers.length > 0 && worst <= lab.goal;
  return layersAgree ? { error, convicted: true } : { error };
}

async function withDropout(lab: Laboratory, before: number): Promise<Finding> {
  let features = new Float32Array();
  const logits = await lab.runBatch(undefined, batchNHWC(lab.golden), async (layer, _, read) => {
    if (layer === 'avgpool') features = (await read()).slice();
    return undefined;
  });
  const units = dropoutUnits(lab, logits, features);
  const mean = units.reduce((a, b) => a + b, 0) / units.length;
  // It strays from every logit: one in ten may come out near by chance, not half of them.
  const near = units.filter((unit) => unit < 1e-2).length / units.length;
  return { error: before, convicted: mean > 1 / 4 && mean < 4 && near < 1 / 2 };
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
 * The square of what separates each logit, in the unit that dropout gives. Each feature f is dropped
 * with probability p and else divided by 1 − p, so that a logit strays from Σ w f with a variance of
 * p / (1 − p) · Σ w² f². All logits of an image share the same draws, so that their mean is one of few
 * independent numbers, somewhere around 1.
 */
function dropoutUnits(
  { model, golden }: Laboratory,
  logits: Float32Array,
  features: Float32Array,
): number[] {
  const kernel = model.weights.get('fc/kernel')?.data ?? new Float32Array();
  const { numClasses, logits: expected } = golden;
  const length = kernel.length / numClasses;
  return Array.from(expected, (wanted, i) => {
    const [image, column] = [Math.floor(i / numClasses), i % numClasses];
    let squares = 0;
    for (let f = 0; f < length; f++) {
      const feature = features[image * length + f] as number;
      squares += (feature * (kernel[f * numClasses + column] as number)) ** 2;
    }
    const variance = (squares * DROPOUT) / (1 - DROPOUT);
    return ((logits[i] as number) - wanted) ** 2 / variance;
  });
}
