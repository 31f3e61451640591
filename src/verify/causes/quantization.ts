import { option } from '../../base/option.js';
import {
  type EditableModel,
  quantizationOf,
  withWeights,
} from '../../stored-model/editable-model.js';
import { dequantize, type Quantization } from '../../stored-model/quantization.js';
import { quantize } from '../../stored-model/quantize.js';
import { measureErrors } from '../compare.js';
import { imageNHWC } from '../golden.js';
import type { Laboratory } from '../laboratory.js';
import { rtolThatPasses } from '../tolerance.js';
import { sameValues } from './changed-weights.js';
import type { Finding, Lineup, Suspect } from './suspect.js';

/** Kernels that were stored in less than float32 when the model was written, and nothing else. */
export const quantizedWeights: Lineup = function* (lab) {
  const quantization = quantizationOf(lab.model);
  if (quantization === undefined) return;
  const rest = {
    id: 'quantized-weights',
    summary: `the model's kernels are stored as ${quantization}`,
    cure: `Convert without ${option('quantization')}.`,
  };
  const reference = lab.fromCheckpoint();
  if (reference === null) yield movedWithinGrid(lab, quantization, rest);
  else if (isQuantized(lab.model, reference, quantization)) {
    yield {
      ...rest,
      description: "the checkpoint's weights, not quantized",
      measure: async (_lab, before) => ({
        error: await lab.error({ model: reference }),
        cure: cureFor(before),
      }),
    };
  }
};

function cureFor(error: number): string {
  const accept = Number.isFinite(error)
    ? `, or accept the error: ${option('rtol', rtolThatPasses(error))}`
    : '';
  return `Convert without ${option('quantization')}${accept}.`;
}

function isQuantized(model: EditableModel, reference: EditableModel, dtype: Quantization): boolean {
  return [...reference.weights].every(([name, { data }]) => {
    const found = model.weights.get(name)?.data;
    if (found === undefined) return false;
    if (!name.endsWith('/kernel')) return sameValues(found, data);
    const { bytes, spec } = quantize(name, data, dtype);
    return sameValues(found, dequantize(bytes, spec));
  });
}

/**
 * Without the checkpoint, what was rounded away is lost; but to move each number at random within the
 * step that it was rounded by moves the logits about as far as the rounding did.
 */
function movedWithinGrid(
  lab: Laboratory,
  quantization: Quantization,
  rest: Pick<Suspect, 'id' | 'summary' | 'cure'>,
): Suspect {
  return {
    ...rest,
    description: `kernels moved within the steps of ${quantization}`,
    measure: async (_lab, before): Promise<Finding> => {
      const moved = await costOfMoving(lab);
      return {
        error: before,
        convicted: before <= MOST_TIMES * moved && moved < MOST_BY_ROUNDING,
        summary: `${rest.summary}, whose steps alone move the logits as far`,
        cure: cureFor(before),
      };
    },
  };
}

/**
 * Measured on the bundled checkpoint, at 64 and 224 pixels, in each way of storing it: in 57 draws the
 * error was 0.7 to 1.4 times what moving gave.
 */
const MOST_TIMES = 1.5;
/** Where moving changes the logits by more, anything could hide in it. */
const MOST_BY_ROUNDING = 0.6;

/** The largest relative change of an image's logits, in two draws. */
async function costOfMoving(lab: Laboratory): Promise<number> {
  const before = await logitsOf(lab, lab.model);
  let worst = 0;
  for (const seed of [1, 2]) {
    const after = await logitsOf(lab, move(lab.model, seed));
    for (const [image, logits] of before.entries()) {
      const { relativeError } = measureErrors(logits, after[image] as Float32Array);
      worst = Math.max(worst, relativeError);
    }
  }
  return worst;
}

async function logitsOf(lab: Laboratory, model: EditableModel): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  for (let image = 0; image < lab.golden.shape[0]; image++) {
    const pixels = imageNHWC(lab.golden, image);
    rows.push((await lab.runBatch(model, pixels, () => undefined)).slice());
  }
  return rows;
}

function move(model: EditableModel, seed: number): EditableModel {
  const random = generator(seed);
  const specs = model.rest.weightsManifest.flatMap((group) => group.weights);
  const changes = specs.flatMap(({ name, quantization }) => {
    const data = model.weights.get(name)?.data;
    if (quantization === undefined || data === undefined) return [];
    const step = stepOf(quantization);
    return [[name, data.map((value) => value + (random() - 0.5) * step(value))] as const];
  });
  return withWeights(model, new Map(changes));
}

/** How far the numbers lie apart that a storage has. */
function stepOf({ dtype, scale = 0 }: { dtype: Quantization; scale?: number }) {
  if (dtype !== 'float16') return () => scale;
  return (value: number) => 2 ** Math.max(-24, Math.floor(Math.log2(Math.abs(value) || 1e-9)) - 10);
}

/** A linear congruential generator, with the constants of Numerical Recipes: the same draws in each run. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
