import { option } from '../../base/option.js';
import { counted } from '../../base/plural.js';
import { toFloat32 } from '../../checkpoint/tensor/float32.js';
import { batchNormWith } from '../../network/plan.js';
import { isKernel } from '../../network/weight-faults.js';
import { type EditableModel, withWeights } from '../../stored-model/editable-model.js';
import { measureErrors } from '../compare.js';
import type { Laboratory } from '../laboratory.js';
import { BFLOAT16, FLOAT16, isRoundedFrom, TF32 } from '../rounding.js';
import { BATCH_NORM_EPS, CLASSIFIER, NAME, networkLayers } from '../structure.js';
import { showEpsilon } from './batch-norm.js';
import { INTEGER_ROUNDINGS } from './integers.js';
import { LAYOUTS, storedAs } from './kernel-layout.js';
import { CONVERT_AGAIN, type Suspect } from './suspect.js';

/** How the weights that differ came to differ. */
export function explainChange(
  lab: Laboratory,
  reference: EditableModel,
  right: ReadonlyMap<string, Float32Array>,
): Suspect {
  const names = [...right.keys()];
  const story =
    asLayout(lab, reference, names) ??
    asRounding(lab, right) ??
    asIntegers(lab, right) ??
    asZeros(lab, right) ??
    asEpsilon(lab, reference, names) ??
    asExchange(lab, reference, names) ??
    asAnother(lab, reference, names) ??
    asCorruption(names, reference.weights.size);
  return {
    description: "the checkpoint's own weights",
    cure: CONVERT_AGAIN,
    ...story,
    variation: { model: withWeights(lab.model, right) },
  };
}

type Story = Pick<Suspect, 'id' | 'summary'> & Partial<Pick<Suspect, 'where' | 'cure'>>;

function asLayout(
  { model }: Laboratory,
  reference: EditableModel,
  names: readonly string[],
): Story | undefined {
  const layout = LAYOUTS.find((each) =>
    names.every((name) => {
      const weight = reference.weights.get(name);
      const stored = weight && storedAs(weight, each);
      return stored && sameValues(model.weights.get(name)?.data as Float32Array, stored);
    }),
  );
  if (layout === undefined) return undefined;
  const [only] = names;
  const what = names.length === 1 ? (only as string) : counted(names.length, 'kernel');
  return {
    id: 'kernel-layout',
    where: names.length === 1 ? only : undefined,
    summary: `the model has ${what} ${layout.name}, not as TensorFlow.js reads them`,
  };
}

function asRounding(
  { model }: Laboratory,
  right: ReadonlyMap<string, Float32Array>,
): Story | undefined {
  // The coarser grid lies within the finer one.
  const rounding = [BFLOAT16, FLOAT16, TF32].find((each) =>
    [...right].every(([name, data]) =>
      isRoundedFrom(model.weights.get(name)?.data as Float32Array, data, each),
    ),
  );
  if (rounding === undefined) return undefined;
  const what = right.size === 1 ? ([...right.keys()][0] as string) : counted(right.size, 'weight');
  return {
    id: `precision-${rounding.name}`,
    summary: `the model has ${what} rounded to ${rounding.name}`,
    cure: `Convert again without quantising the weights, or accept it: the report says which ${option('rtol')} would pass.`,
  };
}

/** Finds the epsilon that the kernels were folded with, and whether it explains all that differs. */
function asEpsilon(
  lab: Laboratory,
  reference: EditableModel,
  names: readonly string[],
): Story | undefined {
  const eps = foldedEpsilon(lab, reference, names);
  // One tensor alone cannot come of an epsilon, and no epsilon is that large.
  if (eps === undefined || !(eps < 1) || names.length < 2) return undefined;
  const other = lab.fromCheckpoint(batchNormWith(eps));
  const close = names.every((name) => {
    const [found, expected] = [lab.model.weights.get(name), other?.weights.get(name)];
    if (found === undefined || expected === undefined) return false;
    // Whoever folded it may have rounded more often than we do.
    return found.data.every((value, i) => {
      const wanted = expected.data[i] as number;
      return Math.abs(value - wanted) <= 1e-4 * Math.abs(wanted) + 1e-6;
    });
  });
  if (!close) return undefined;
  return {
    id: 'batch-norm-eps',
    summary: `the model has BatchNorm folded with an epsilon of ${showEpsilon(eps)}, where ${NAME} has ${showEpsilon(BATCH_NORM_EPS)}`,
  };
}

/**
 * Solves `found / expected = sqrt(variance + the network's epsilon) / sqrt(variance + eps)` for the channel of least
 * variance, which tells best; then rounds, since epsilons are round numbers.
 */
function foldedEpsilon(
  { model, checkpoint }: Laboratory,
  reference: EditableModel,
  names: readonly string[],
): number | undefined {
  const name = names.find((each) => each.endsWith('/kernel') && each !== `${CLASSIFIER}/kernel`);
  if (name === undefined || checkpoint === null) return undefined;
  const path = name.slice(0, -'/kernel'.length);
  const op = networkLayers(checkpoint).find((layer) => layer.path === path)?.op;
  const norm = op?.type === 'conv2d' ? op.batchNorm : undefined;
  if (norm === undefined) return undefined;
  const variance = toFloat32(checkpoint.stateDict.get(`${norm.module}.running_var`) as never);
  const channel = variance.indexOf(Math.min(...variance));
  const [found, expected] = [model, reference].map((each) => each.weights.get(name)?.data);
  if (found === undefined || expected === undefined) return undefined;
  const at = largestOf(expected, channel, variance.length);
  const ratio = (found[at] as number) / (expected[at] as number);
  const least = variance[channel] as number;
  const eps = (least + BATCH_NORM_EPS) / ratio ** 2 - least;
  return Math.max(0, Number(eps.toFixed(7)));
}

/** The index of the largest number of one output channel. */
function largestOf(kernel: Float32Array, channel: number, channels: number): number {
  let best = channel;
  for (let i = channel; i < kernel.length; i += channels) {
    if (Math.abs(kernel[i] as number) > Math.abs(kernel[best] as number)) best = i;
  }
  return best;
}

/** Two tensors, or all of two layers that differ, each in the other's place. */
function asExchange(
  { model }: Laboratory,
  reference: EditableModel,
  names: readonly string[],
): Story | undefined {
  const layers = [...new Set(names.map((name) => name.slice(0, name.lastIndexOf('/'))))];
  const [a, b] = names.length === 2 ? names : layers;
  if (a === undefined || b === undefined || (names.length > 2 && layers.length > 2)) return;
  const other = (name: string) =>
    name.startsWith(a) ? b + name.slice(a.length) : a + name.slice(b.length);
  const exchanged = names.every((name) => {
    const [found, expected] = [model.weights.get(name), reference.weights.get(other(name))];
    return found && expected && sameValues(found.data, expected.data);
  });
  return exchanged
    ? { id: 'tensors-exchanged', where: a, summary: `the model has ${a} and ${b} exchanged` }
    : undefined;
}

/** Rounded to integers by whoever stored them, as their own range or their few values tell. */
function asIntegers(
  { model }: Laboratory,
  right: ReadonlyMap<string, Float32Array>,
): Story | undefined {
  const pairs = [...right].map(([name, data]) => {
    const found = model.weights.get(name);
    return { found: found?.data ?? data, data, channels: found?.shape.at(-1) ?? 1 };
  });
  const alike = INTEGER_ROUNDINGS.find(({ round }) =>
    pairs.every(({ found, data, channels }) => isNear(found, round(data, channels))),
  );
  const bits = alike?.bits ?? (pairs.every(hasFewValues) ? 8 : undefined);
  if (bits === undefined) return undefined;
  const what = right.size === 1 ? ([...right.keys()][0] as string) : counted(right.size, 'weight');
  return {
    id: 'precision-int',
    summary: `the model has ${what} rounded to integers of ${bits} bits (${bits === 8 ? 'uint8, int8' : 'int4'})`,
    cure: `Convert again without quantising the weights, or accept it: the report says which ${option('rtol')} would pass.`,
  };
}

function isNear(found: Float32Array, expected: Float32Array): boolean {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return found.every((value, i) => Math.abs(value - (expected[i] as number)) <= 1e-5 * largest);
}

/** No more values than a byte has, none farther from the right ones than a step of their range. */
function hasFewValues({ found, data }: { found: Float32Array; data: Float32Array }): boolean {
  if (data.length <= 512 || new Set(found).size > 256) return false;
  const [low, high] = data.reduce(
    ([least, most], value) => [Math.min(least, value), Math.max(most, value)] as const,
    [Infinity, -Infinity] as readonly [number, number],
  );
  return found.every((value, i) => Math.abs(value - (data[i] as number)) <= (high - low) / 250);
}

/** Tensors that hold zeros alone. */
function asZeros(
  { model }: Laboratory,
  right: ReadonlyMap<string, Float32Array>,
): Story | undefined {
  const names = [...right.keys()];
  if (!names.every((name) => model.weights.get(name)?.data.every((value) => value === 0))) return;
  const [first] = names as [string];
  if (names.length === 1)
    return {
      id: 'corrupt-tensor',
      where: first,
      summary: `the model's ${first} is lost: all zero`,
    };
  const biases = names.every((name) => name.endsWith('/bias'));
  return {
    id: 'weights-zero',
    summary: biases
      ? `${counted(names.length, 'bias', 'biases')} of the model are lost: all zero, the first is ${first}`
      : `${counted(names.length, 'weight')} of the model are lost: all zero, the first is ${first}`,
  };
}

/** From here on weights have not been rounded, nor trained on by a few steps. */
const LITTLE = 0.1;

/** Every kernel differs: by how much tells whether they are another checkpoint's. */
function asAnother(
  { model }: Laboratory,
  reference: EditableModel,
  names: readonly string[],
): Story | undefined {
  const kernels = [...reference.weights.keys()].filter(isKernel);
  if (!kernels.every((name) => names.includes(name))) return undefined;
  const errors = kernels.map((name) => {
    const [right, found] = [reference, model].map((each) => each.weights.get(name)?.data);
    return measureErrors(right as Float32Array, found as Float32Array).relativeError;
  });
  const all = counted(kernels.length, 'kernel');
  const most = Math.max(...errors);
  if (most < LITTLE) {
    return {
      id: 'weights-differ',
      summary: `all of the model's ${all} are close to the checkpoint's and not the same, off by ${most.toPrecision(2)} of their size at most: they were rounded, or trained on for a little`,
      cure: `${CONVERT_AGAIN} Or pass the checkpoint that belongs to this model.`,
    };
  }
  return {
    id: 'weights-differ',
    summary: `none of the model's ${all} is the checkpoint's: it was made of another checkpoint, or all were changed since`,
    cure: 'Convert this checkpoint, or pass the one that belongs to this model.',
  };
}

function asCorruption(names: readonly string[], total: number): Story {
  const [first] = names as [string];
  const modules = new Set(names.map((name) => name.slice(0, name.indexOf('/'))));
  if (names.length === 1 || modules.size === 1) {
    const where = names.length === 1 ? first : ([...modules][0] as string);
    return {
      id: 'corrupt-tensor',
      where,
      summary: `the model's ${where} is not the checkpoint's: it was corrupted after converting`,
    };
  }
  const all = names.length > 0.95 * total;
  return {
    id: 'weights-differ',
    where: all ? undefined : first,
    summary: all
      ? `the model was made of another checkpoint than the one given: ${names.length} of its ${total} weights differ`
      : `${names.length} of the model's ${total} weights are not the checkpoint's, the first is ${first}`,
    cure: `${CONVERT_AGAIN} Or pass the checkpoint that belongs to this model.`,
  };
}

export function sameValues(a: Float32Array, b: Float32Array): boolean {
  const same = (x: number, y: number) => x === y || (Number.isNaN(x) && Number.isNaN(y));
  return a.length === b.length && a.every((value, i) => same(value, b[i] as number));
}
