import { option } from '../../base/option.js';
import { counted } from '../../base/plural.js';
import { type EditableModel, withWeights } from '../../stored-model/editable-model.js';
import type { Laboratory } from '../laboratory.js';
import { BFLOAT16, FLOAT16, isOnGrid, type Rounding } from '../rounding.js';
import { TRANSFORM_INPUT } from '../structure.js';
import { rtolThatPasses } from '../tolerance.js';
import { explainChange, sameValues } from './changed-weights.js';
import { CONVERT_AGAIN, type Lineup, type Suspect } from './suspect.js';

/** What can be seen from the weights alone, or by comparing them with the checkpoint's. */
export const weightSuspects: Lineup = function* (lab) {
  const { weights } = lab.model;
  const broken = [...weights].filter(([, { data }]) => !areFinite(data));
  const constants = transformConstants(lab);
  if (constants !== undefined) yield constants;
  const reference = lab.fromCheckpoint();
  if (reference !== null) {
    const differing = differingWeights(lab.model, reference);
    const inherited = broken.filter(([name]) => !areFinite(reference.weights.get(name)?.data));
    if (inherited.length > 0) yield notFinite(inherited, OF_THE_CHECKPOINT);
    else if (differing.size > 0) yield explainChange(lab, reference, differing);
  } else {
    if (broken.length > 0) yield notFinite(broken, UNKNOWN_ORIGIN);
    for (const rounding of [BFLOAT16, FLOAT16]) yield* roundedWeights(lab, rounding);
  }
};

const areFinite = (values: Float32Array | undefined) => values?.every(Number.isFinite) ?? true;

const UNKNOWN_ORIGIN = `${CONVERT_AGAIN} If the converter warns of it, the checkpoint itself holds them.`;
const OF_THE_CHECKPOINT =
  'The checkpoint itself holds them: take one that was saved before the training went wrong.';

/** Without the right weights nothing closes the gap, but no weight of a sound model is so. */
function notFinite(
  broken: readonly (readonly [string, { data: Float32Array }])[],
  cure: string,
): Suspect {
  const [name] = broken[0] as (typeof broken)[number];
  const one = broken.length === 1;
  const zeroed = new Map(
    broken.map(([key, { data }]) => [key, data.map((x) => (Number.isFinite(x) ? x : 0))]),
  );
  return {
    id: one ? 'corrupt-tensor' : 'weights-not-finite',
    where: one ? name : undefined,
    description: 'weights that are no number taken as 0',
    summary: `the model's ${name}${one ? '' : ` and ${counted(broken.length - 1, 'other weight')}`} ${one ? 'holds' : 'hold'} values that are infinite or no number`,
    cure,
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

/** Folding leaves no weight on a coarser grid, so weights that all lie on one were rounded later. */
function* roundedWeights({ model }: Laboratory, rounding: Rounding): Iterable<Suspect> {
  const kernels = [...model.weights].filter(([name]) => name.endsWith('/kernel'));
  if (!kernels.every(([, { data }]) => isOnGrid(data, rounding))) return;
  yield {
    id: `precision-${rounding.name}`,
    description: `weights that are all ${rounding.name} numbers`,
    summary: `the model's weights were rounded to ${rounding.name}`,
    cure: 'Convert again without quantising the weights.',
    // What was rounded away is lost, so there is nothing to run: only larger faults are ruled out.
    measure: async (_lab, before) => ({
      error: before,
      convicted: before < 0.1,
      cure: `Convert again without quantising the weights, or accept the error: ${option('rtol', rtolThatPasses(before))}.`,
    }),
  };
}
