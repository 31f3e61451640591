import type { LayerVisitor } from '../../runtimes/tfjs/load.js';
import { type EditableModel, withLayers, withWeights } from '../../stored-model/editable-model.js';
import type { Laboratory, Variation } from '../laboratory.js';
import { TF32, TF32_CUT } from '../rounding.js';
import { CLASSIFIER, CONVOLUTIONS, LAST_CONVOLUTIONS } from '../structure.js';
import { INTEGER_ROUNDINGS } from './integers.js';
import { NORM_EPSILONS, normStory, OTHER_NORMS, standardize } from './norms.js';
import { ACTIVATIONS, activationStory, RELU_BEFORE } from './one-layer/activation.js';
import type { Explanation } from './one-layer/explanation.js';
import { RELU_FIRST } from './one-layer/relu-first.js';
import {
  type BatchNormParameters,
  normalize,
  type RawNetwork,
  rawNetwork,
  relu,
} from './raw-network.js';
import { type Finding, type Lineup, type Suspect, TORCHVISION_GOLDEN } from './suspect.js';

/**
 * What is done alike in every layer of PyTorch's network: one line of code does it, and the logits alone
 * prove it.
 */
export const everywhere: Lineup = function* (lab) {
  yield* activations(lab);
  const raw = rawNetwork(lab);
  if (raw === null) return;
  yield* orders(raw);
  yield* parameters(raw);
  yield* norms(raw);
  yield* roundedKernels(raw);
};

type Told = Omit<Explanation, 'error'>;

function suspect(
  { id, summary, cure }: Told,
  description: string,
  model: EditableModel,
  visit: LayerVisitor,
): Suspect {
  const words = summary('every convolution');
  return { id, description, summary: words, cure, variation: { model, visit } };
}

const NAMES: ReadonlySet<string> = new Set(CONVOLUTIONS);

/** Another function than ReLU after each convolution. */
function* activations(lab: Laboratory): Iterable<Suspect> {
  const model = withLayers(lab.model, (layer) =>
    layer.class_name === 'Conv2D'
      ? { ...layer, config: { ...layer.config, activation: 'linear' } }
      : layer,
  );
  for (const [name, activation] of ACTIVATIONS) {
    const visit: LayerVisitor = async (layer, _shape, read) =>
      NAMES.has(layer) ? (await read()).map(activation) : undefined;
    yield suspect(
      activationStory(name),
      `${name === '' ? 'no ReLU' : name} everywhere`,
      model,
      visit,
    );
  }
}

/** The same of the raw network: each convolution's output, with its BatchNorm. */
function after(
  { batchNorms }: RawNetwork,
  compute: (values: Float32Array, batchNorm: BatchNormParameters) => Float32Array,
): LayerVisitor {
  return async (layer, _shape, read) => {
    const batchNorm = batchNorms.get(layer);
    return batchNorm && compute(await read(), batchNorm);
  };
}

/** ReLU elsewhere in the blocks. */
function* orders(raw: RawNetwork): Iterable<Suspect> {
  const first = after(raw, (values, batchNorm) => normalize(relu(values), batchNorm));
  yield suspect(RELU_FIRST, 'ReLU before every BatchNorm', raw.model, first);
  yield {
    ...suspect(RELU_BEFORE, 'ReLU before every convolution', raw.model, reluBefore(raw)),
    variation: { model: raw.model, visit: reluBefore(raw), input: relu },
  };
}

/** What a block reads goes through ReLU there; pools pass on what it makes of their input. */
function reluBefore(raw: RawNetwork): LayerVisitor {
  return async (layer, _shape, read) => {
    const batchNorm = raw.batchNorms.get(layer);
    if (batchNorm === undefined) return undefined;
    const values = normalize(await read(), batchNorm);
    // The last block's outputs go on without one.
    return LAST_CONVOLUTIONS.has(layer) ? values : relu(values);
  };
}

/** BatchNorm's parameters or statistics lost, or none of it at all. */
function* parameters(raw: RawNetwork): Iterable<Suspect> {
  const constant =
    (field: keyof BatchNormParameters, value: number) => (all: BatchNormParameters) => ({
      ...all,
      [field]: all[field].map(() => value),
    });
  const both =
    (...changes: readonly ReturnType<typeof constant>[]) =>
    (all: BatchNormParameters) =>
      changes.reduce((found, change) => change(found), all);
  const lost = [
    ['batch-norm-affine', 'bias of BatchNorm all zero', constant('beta', 0)],
    ['batch-norm-affine', 'weight of BatchNorm all one', constant('gamma', 1)],
    [
      'batch-norm-affine',
      'weight and bias of BatchNorm all one and zero',
      both(constant('gamma', 1), constant('beta', 0)),
    ],
    ['batch-norm-statistics', 'running_mean of BatchNorm all zero', constant('mean', 0)],
    ['batch-norm-statistics', 'running_var of BatchNorm all one', constant('variance', 1)],
    [
      'batch-norm-statistics',
      'the running statistics of BatchNorm reset, mean 0 and variance 1',
      both(constant('mean', 0), constant('variance', 1)),
    ],
  ] as const;
  for (const [id, what, change] of lost) {
    const summary = (where: string) => `PyTorch's network has ${what}, in ${where}`;
    const visit = after(raw, (values, all) => relu(normalize(values, change(all))));
    yield suspect({ id, key: what, summary, cure: TORCHVISION_GOLDEN }, what, raw.model, visit);
  }
  const none = {
    id: 'batch-norm-affine',
    key: 'none',
    summary: (where: string) => `PyTorch's network has no BatchNorm in ${where}`,
    cure: TORCHVISION_GOLDEN,
  };
  yield suspect(none, 'no BatchNorm', raw.model, after(raw, relu));
}

/** Statistics of each image by itself. */
function* norms(raw: RawNetwork): Iterable<Suspect> {
  for (const norm of OTHER_NORMS) {
    for (const bare of norm.bare ? [false, true] : [false]) {
      for (const eps of NORM_EPSILONS) {
        const visit = after(raw, (values, { gamma, beta }) => {
          const channels = gamma.length;
          const standard = standardize(values, channels, norm, eps);
          return Float32Array.from(standard, (value, i) => {
            const c = i % channels;
            return Math.max(0, bare ? value : value * (gamma[c] as number) + (beta[c] as number));
          });
        });
        const how = `${bare ? ' without weight and bias' : ''}, epsilon ${eps}`;
        const found = suspect(
          normStory(norm),
          `${norm.words.replace(/,$/, '')}${how}`,
          raw.model,
          visit,
        );
        yield { ...found, measure: (lab, before) => nearly(lab, found.variation ?? {}, before) };
      }
    }
  }
}

/** Deviations of few pixels may be small, and what is divided by them carries rounding magnified. */
async function nearly(lab: Laboratory, variation: Variation, before: number): Promise<Finding> {
  const enough = Math.max(lab.goal, Math.min(MOST_MAGNIFIED, before / 1e3));
  const error = await lab.error(variation, enough);
  return { error, convicted: error <= enough && error <= before / 2 };
}

/** Measured: 1.2e-4 with the right epsilon, and 4e-2 with the other one. */
const MOST_MAGNIFIED = 1e-3;

/** Kernels rounded as they were stored, BatchNorm not. */
function* roundedKernels(raw: RawNetwork): Iterable<Suspect> {
  const visit = after(raw, (values, batchNorm) => relu(normalize(values, batchNorm)));
  const roundings = [
    ...INTEGER_ROUNDINGS.map(({ bits, round }) => ({
      id: 'precision-int',
      words: `integers of ${bits} bits (${bits === 8 ? 'int8, uint8' : 'int4'})`,
      round,
    })),
    ...[TF32, TF32_CUT].map(({ round }) => ({ id: 'precision-tf32', words: 'TF32', round })),
  ];
  for (const { id, words, round } of roundings) {
    const rounded = [...raw.model.weights]
      .filter(([name]) => name.endsWith('/kernel'))
      .map(([name, { data, shape }]) => [name, round(data, shape.at(-1) ?? 1)] as const);
    for (const all of [true, false]) {
      const changes = rounded.filter(([name]) => all || name !== `${CLASSIFIER}/kernel`);
      yield {
        id,
        description: `kernels rounded to ${words}${all ? '' : `, but ${CLASSIFIER}'s`}`,
        summary: `PyTorch's kernels were rounded to ${words}${all ? '' : `, but ${CLASSIFIER}'s`}`,
        cure: TORCHVISION_GOLDEN,
        variation: { model: withWeights(raw.model, new Map(changes)), visit },
      };
    }
  }
}
