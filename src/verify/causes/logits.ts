import { imageNHWC } from '../golden.js';
import type { Laboratory } from '../laboratory.js';
import { type Lineup, TORCHVISION_GOLDEN } from './suspect.js';

/** What can be wrong with the recorded logits alone. */
export const logitsSuspects: Lineup = function* ({ golden }) {
  yield {
    id: 'softmax',
    description: 'the logits put through softmax',
    summary: 'the golden file holds probabilities (softmax), not logits',
    cure: 'Save what the model returns, before softmax.',
    variation: { logits: softmax },
  };
  yield {
    id: 'softmax',
    description: 'the logits put through log_softmax',
    summary: 'the golden file holds log-probabilities (log_softmax), not logits',
    cure: 'Save what the model returns, before log_softmax.',
    variation: { logits: (logits) => softmax(logits).map(Math.log) },
  };
  if (golden.shape[0] > 1) {
    yield {
      id: 'image-order',
      description: 'the images in another order',
      summary: "the golden file's logits belong to its images in another order",
      cure: TORCHVISION_GOLDEN,
      measure: async (lab) => ({ error: await matchRows(lab) }),
    };
  }
};

/** The error when each image's logits are compared with whichever row they are nearest to. */
async function matchRows(lab: Laboratory): Promise<number> {
  const count = lab.golden.shape[0];
  const taken = new Set<number>();
  let worst = 0;
  for (let image = 0; image < count; image++) {
    let [nearest, row] = [Infinity, -1];
    const found = await logitsOf(lab, image);
    for (let candidate = 0; candidate < count; candidate++) {
      const error = taken.has(candidate) ? Infinity : lab.rowError(candidate, found);
      if (error < nearest) [nearest, row] = [error, candidate];
    }
    taken.add(row);
    worst = Math.max(worst, nearest);
    if (worst > lab.goal) break;
  }
  return worst;
}

async function logitsOf(lab: Laboratory, image: number): Promise<Float32Array> {
  return lab.runBatch(undefined, imageNHWC(lab.golden, image), () => undefined);
}

function softmax(logits: Float32Array): Float32Array {
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = Float64Array.from(logits, (value) => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return Float32Array.from(powers, (value) => value / sum);
}
