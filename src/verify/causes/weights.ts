import { TRANSFORM_INPUT } from '../../googlenet/preprocess.js';
import { batchNormWith } from '../../googlenet/weights.js';
import { type EditableModel, withWeights } from '../../tfjs/editable-model.js';
import type { Laboratory } from '../laboratory.js';
import { BFLOAT16, FLOAT16, isOnGrid, type Rounding } from '../rounding.js';
import { PYTORCH_DEFAULT_EPS } from './batch-norm.js';
import { LAYOUTS, storedAs } from './kernel-layout.js';
import { CONVERT_AGAIN, type Lineup, type Suspect } from './suspect.js';

/** What can be seen from the weights alone, or by comparing them with the checkpoint's. */
export const weightSuspects: Lineup = function* (lab) {
  const { weights } = lab.model;
  const broken = [...weights].filter(([, { data }]) => !data.every(Number.isFinite));
  if (broken.length > 0) yield notFinite(broken);
  const constants = transformConstants(lab);
  if (constants !== undefined) yield constants;
  const reference = lab.fromCheckpoint();
  if (reference !== null) {
    const differing = differingWeights(lab.model, reference);
    if (differing.size > 0) yield explain(lab, reference, differing);
  } else {
    for (const rounding of [BFLOAT16, FLOAT16]) yield* roundedWeights(lab, rounding);
  }
};

function notFinite(broken: readonly (readonly [string, { data: Float32Array }])[]): Suspect {
  const [name] = broken[0] as (typeof broken)[number];
  const more = broken.length > 1 ? ` and ${broken.length - 1} others` : '';
  const zeroed = new Map(
    broken.map(([key, { data }]) => [key, data.map((x) => (Number.isFinite(x) ? x : 0))]),
  );
  return {
    id: 'corrupt-tensor',
    where: name,
    description: 'weights that are no number taken as 0',
    summary: `the model's ${name}${more} holds values that are infinite or no number`,
    cure: `${CONVERT_AGAIN} If the converter warns of it, the checkpoint itself holds them.`,
    measure: async (lab) => ({
      error: await lab.error({ model: withWeights(lab.model, zeroed) }),
      convicted: true,
    }),
  };
}

/** transform_input's scale and offset are known without a checkpoint. */
function transformConstants({ model }: Laboratory): Suspect | undefined {
  const known = { depthwise_kernel: TRANSFORM_INPUT.scale, bias: TRANSFORM_INPUT.offset };
  const wrong = new Map<string, Float32Array>();
  for (const [field, values] of Object.entries(known)) {
    const found = model.weights.get(`transform_input/${field}`)?.data;
    const right = Float32Array.from(values);
    if (found !== undefined && String(found) !== String(right)) {
      wrong.set(`transform_input/${field}`, right);
    }
  }
  if (wrong.size === 0) return undefined;
  const names = [...wrong.keys()];
  return {
    id: 'corrupt-tensor',
    where: names.length === 1 ? (names[0] as string) : 'transform_input',
    description: "transform_input with torchvision's constants",
    summary: `the model's ${names.join(' and ')} does not hold torchvision's constants`,
    cure: CONVERT_AGAIN,
    variation: { model: withWeights(model, wrong) },
  };
}

/** The checkpoint's weights that the model has otherwise. */
function differingWeights(
  model: EditableModel,
  reference: EditableModel,
): ReadonlyMap<string, Float32Array> {
  const differing = new Map<string, Float32Array>();
  for (const [name, { data }] of reference.weights) {
    const found = model.weights.get(name)?.data;
    if (found !== undefined && !sameValues(found, data)) differing.set(name, data);
  }
  return differing;
}

function sameValues(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

/** How the weights that differ came to differ. */
function explain(
  lab: Laboratory,
  reference: EditableModel,
  right: ReadonlyMap<string, Float32Array>,
): Suspect {
  const names = [...right.keys()];
  const story =
    asLayout(lab, reference, names) ??
    asRounding(lab, right) ??
    asEpsilon(lab, names) ??
    asExchange(lab, reference, names) ??
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
  const what = names.length === 1 ? (only as string) : `${names.length} kernels`;
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
  const rounding = [FLOAT16, BFLOAT16].find(({ round }) =>
    [...right].every(([name, data]) =>
      sameValues(model.weights.get(name)?.data as Float32Array, round(data)),
    ),
  );
  if (rounding === undefined) return undefined;
  const what = right.size === 1 ? ([...right.keys()][0] as string) : `${right.size} weights`;
  return {
    id: `precision-${rounding.name}`,
    summary: `the model has ${what} rounded to ${rounding.name}`,
    cure: `Convert again without quantising the weights, or allow for ${rounding.name} with --rtol.`,
  };
}

function asEpsilon(lab: Laboratory, names: readonly string[]): Story | undefined {
  const other = lab.fromCheckpoint(batchNormWith(PYTORCH_DEFAULT_EPS));
  const close = names.every((name) => {
    const [found, expected] = [lab.model.weights.get(name), other?.weights.get(name)];
    if (found === undefined || expected === undefined) return false;
    // Whoever folded it may have rounded more often than we do.
    return found.data.every((value, i) => {
      const wanted = expected.data[i] as number;
      return Math.abs(value - wanted) <= 1e-5 * Math.abs(wanted) + 1e-6;
    });
  });
  if (!close) return undefined;
  return {
    id: 'batch-norm-eps',
    summary: 'the model has BatchNorm folded with an epsilon of 1e-5, where GoogLeNet has 1e-3',
  };
}

function asExchange(
  { model }: Laboratory,
  reference: EditableModel,
  names: readonly string[],
): Story | undefined {
  const [a, b] = names;
  if (names.length !== 2 || a === undefined || b === undefined) return undefined;
  const is = (name: string, other: string) =>
    sameValues(
      model.weights.get(name)?.data as Float32Array,
      reference.weights.get(other)?.data as Float32Array,
    );
  if (!is(a, b) || !is(b, a)) return undefined;
  return { id: 'tensors-exchanged', where: a, summary: `the model has ${a} and ${b} exchanged` };
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
  return {
    id: 'weights-differ',
    where: first,
    summary: `${names.length} of the model's ${total} weights are not the checkpoint's, the first is ${first}`,
    cure: `${CONVERT_AGAIN} Or pass the checkpoint that belongs to this model.`,
  };
}

/** Folding leaves no weight on a coarser grid, so weights that all lie on one were rounded later. */
function* roundedWeights({ model }: Laboratory, rounding: Rounding): Iterable<Suspect> {
  const kernels = [...model.weights].filter(([name]) => name.endsWith('/kernel'));
  if (!kernels.every(([, { data }]) => isOnGrid(data, rounding))) return;
  yield {
    id: `precision-${rounding.name}`,
    description: `weights that are all ${rounding.name} numbers`,
    summary: `the model's weights were rounded to ${rounding.name}`,
    cure: `Convert again without quantising the weights, or allow for ${rounding.name} with --rtol.`,
    // What was rounded away is lost, so there is nothing to run: only larger faults are ruled out.
    measure: async (_lab, before) => ({ error: before, convicted: before < 0.1 }),
  };
}
