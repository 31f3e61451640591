import { batchNHWC } from '../golden.js';
import type { Laboratory } from '../laboratory.js';
import { planesOf } from '../local/planes.js';
import { CLASSIFIER, LAST_POOL } from '../structure.js';
import { type Dropout, findDropout } from './outputs/dropout.js';
import { linearCase } from './outputs/linear.js';
import { rowsOf } from './outputs/rows.js';
import {
  type BatchNormParameters,
  normalize,
  type RawNetwork,
  rawNetwork,
  relu,
} from './raw-network.js';
import type { Finding, Lineup } from './suspect.js';

const CURE = 'Call model.eval() in PyTorch before the golden file is made.';

/** A golden file from a model in training mode: statistics of the batch, and dropout before the classifier. */
export const trainingMode: Lineup = function* (lab) {
  const rest = { id: 'training-mode', cure: CURE };
  const raw = rawNetwork(lab);
  if (raw !== null) {
    yield {
      ...rest,
      description: 'BatchNorm with the statistics of the batch',
      summary: BATCH,
      measure: (_lab, before) => withBatchStatistics(lab, raw, before),
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

/**
 * Dropout comes after all that, and hides it in the logits: its draws are found where there are classes
 * enough, and else have the size that they should.
 */
async function withBatchStatistics(
  lab: Laboratory,
  raw: RawNetwork,
  before: number,
): Promise<Finding> {
  const input = batchNHWC(lab.golden);
  const { logits, features } = await runOnBatch(lab, raw, input);
  const error = lab.worstRowError(logits);
  if (error <= lab.goal) return { error };
  if (error <= before / 10) {
    // A batch of few pixels amplifies rounding, which is measured rather than guessed.
    const nudged = await runOnBatch(lab, raw, input.map(nudge));
    const floor = lab.worstRowError(logits, nudged.logits);
    if (error <= MOST_TIMES_ROUNDING * floor) return { error, convicted: true };
  }
  if (error > MOST_LEFT * before) return { error, convicted: false };
  const dropout = withDropout(lab, features, error < MOSTLY_DROPOUT * before);
  if (dropout === null) return { error, convicted: false };
  return {
    error: dropout.error ?? error,
    convicted: true,
    summary: `${BATCH}, and dropout was on before ${CLASSIFIER}${dropout.error === null ? ', whose size is what is left' : ''}`,
  };
}

const BATCH =
  'the golden file was made in training mode: BatchNorm took the statistics of the batch';

/** Rounding of every layer does more than rounding of the input alone, which is what is measured. */
const MOST_TIMES_ROUNDING = 20;

/** Where the statistics of the batch do not bring the logits nearer, they are not what is the matter. */
const MOST_LEFT = 1.1;

/** Dropout with p = 0.2 is about this share of what training mode does, or less. */
const MOSTLY_DROPOUT = 0.75;

/** Moves a number by about a unit in its last place. */
function nudge(value: number, index: number): number {
  return value * (1 + ((index % 3) - 1) * 2 ** -23);
}

/** The logits, and what goes into the classifier, with the statistics of the batch in every BatchNorm. */
async function runOnBatch(
  lab: Laboratory,
  { model, batchNorms }: RawNetwork,
  input: Float32Array,
): Promise<{ logits: Float32Array; features: Float32Array }> {
  let features = new Float32Array();
  const logits = await lab.runBatch(model, input, async (layer, _shape, read) => {
    if (layer === LAST_POOL) features = (await read()).slice();
    const parameters = batchNorms.get(layer);
    if (parameters === undefined) return undefined;
    const values = await read();
    return relu(normalize(values, { ...parameters, ...statistics(values, parameters) }));
  });
  return { logits, features };
}

function withDropout(lab: Laboratory, features: Float32Array, clear: boolean): Dropout | null {
  const images = lab.golden.shape[0];
  const planes = planesOf(features, [images, features.length / images]);
  const each = linearCase(lab, planes, rowsOf(lab.golden.logits, images));
  return each === undefined ? null : findDropout(each, clear);
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
