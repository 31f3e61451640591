import { batchNHWC } from '../golden.js';
import type { Laboratory } from '../laboratory.js';
import { planesOf } from '../local/planes.js';
import { CLASSIFIER, LAST_POOL } from '../structure.js';
import type { Explanation } from './one-layer/explanation.js';
import { AUXILIARY_STAGES, auxiliaryOutputs } from './outputs/auxiliary.js';
import { findDropout } from './outputs/dropout.js';
import { explainOutputs } from './outputs/explain-outputs.js';
import { explainLinear, type LinearCase, linearCase } from './outputs/linear.js';
import { linearInHalf } from './outputs/linear-in-half.js';
import { type Rows, rowsOf, worstDistance } from './outputs/rows.js';
import { toStory } from './stories.js';
import type { Finding, Lineup } from './suspect.js';

/**
 * The classifier, and what was done to its logits before they were saved: told from the model's own features and
 * logits, without another run. What is wrong before them fits none of it.
 */
export const outputSuspects: Lineup = function* (lab) {
  // With its output recorded it has been examined by itself.
  if (lab.golden.activations.has(CLASSIFIER) && lab.golden.activations.has(LAST_POOL)) return;
  yield {
    id: 'outputs',
    description: `${CLASSIFIER} done otherwise, and what may have been done to its logits`,
    summary: '',
    cure: '',
    measure: () => examineOutputs(lab),
  };
};

async function examineOutputs(lab: Laboratory): Promise<Finding> {
  const { golden, goal } = lab;
  const images = golden.shape[0];
  const expected = rowsOf(golden.logits, images);
  const { logits, layers } = await runAsItIs(lab);
  const usual = rowsOf(logits, images);
  const features = layers.get(LAST_POOL);
  const each =
    features && linearCase(lab, planesOf(features, [images, features.length / images]), expected);
  const explanation =
    explainOutputs(usual, expected, goal) ??
    (each && (explainLinear(each, goal) ?? linearInHalf(each, goal))) ??
    auxiliary(lab, layers, expected) ??
    (each && drawn(each));
  if (explanation === undefined) return { error: worstDistance(expected, usual), convicted: false };
  return {
    error: explanation.error,
    convicted: true,
    story: toStory({ explanation, layers: [CLASSIFIER] }),
  };
}

function drawn(each: LinearCase): Explanation | undefined {
  const dropout = findDropout(each, false);
  return dropout === null ? undefined : { ...dropout.story, error: dropout.error ?? NaN };
}

const WANTED: ReadonlySet<string> = new Set([LAST_POOL, ...AUXILIARY_STAGES]);

/** The logits, and the layers that heads read from, channels last. */
async function runAsItIs(lab: Laboratory) {
  const layers = new Map<string, Float32Array>();
  const logits = await lab.runBatch(undefined, batchNHWC(lab.golden), async (layer, _, read) => {
    if (WANTED.has(layer)) layers.set(layer, (await read()).slice());
    return undefined;
  });
  return { logits, layers };
}

function auxiliary(lab: Laboratory, layers: ReadonlyMap<string, Float32Array>, expected: Rows) {
  return auxiliaryOutputs(
    lab.checkpoint?.stateDict,
    expected,
    (stage) => layers.get(stage),
    lab.goal,
  );
}
