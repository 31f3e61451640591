import { Pth2tfjsError } from '../base/errors.js';
import { option } from '../base/option.js';
import { FLOAT_DTYPES, type FloatDType } from '../checkpoint/tensor/float-dtypes.js';
import type { StateDict } from '../checkpoint/tensor/tensor.js';
import {
  buildNetwork,
  describeModel,
  describeTrainable,
  type TrainableOptions,
} from '../describe-model.js';
import {
  type BatchesTracked,
  batchesTracked,
  countedBlock,
  type WeightLink,
  weightLinks,
} from '../network/invert.js';
import { stateDictEntries } from '../network/keys.js';
import { faultWarnings, findFaults } from '../network/weight-faults.js';
import { NETWORK } from '../networks/index.js';
import type { Match } from '../networks/match.js';
import { damaged } from './damaged.js';
import { type EditableModel, openModel } from './editable-model.js';
import type { Provenance, TrainingRecord } from './provenance.js';
import { isFolded, readOptions } from './read-options.js';
import type { StoredModel } from './stored-model.js';

/** A trainable model, taken out of its files. */
export interface TrainableModel {
  readonly options: TrainableOptions;
  /** A weight's values by its name, such as `conv1.conv/kernel`. */
  readonly read: (weight: string) => Float32Array;
  readonly batches: BatchesTracked;
  /** What `convert` or the training noted; null for files of others. */
  readonly provenance: Provenance | null;
  /** What the checkpoint's floats were, while the weights are still those; float32 for trained ones. */
  readonly dtype: FloatDType;
}

/** What a user should know of the weights, by the keys that they have in PyTorch. */
export function trainableWarnings({ options, read }: Pick<TrainableModel, 'options' | 'read'>) {
  const weights = linksOf(options).map(({ key, weight }) => [key, read(weight)] as const);
  return faultWarnings(findFaults(weights));
}

/**
 * What a trainable model is to remember of a state dict.
 * @throws Pth2tfjsError `mapping` for auxiliary heads that are not torchvision's, since training uses them
 */
export function describeTraining(stateDict: StateDict, match: Match): TrainingRecord {
  refuseForeignHeads(match);
  const entries = [...stateDictEntries(buildNetwork(match))].filter(([, { counter }]) => !counter);
  const dtypes = new Set(entries.map(([key]) => stateDict.get(key)?.dtype));
  const [only] = dtypes;
  const dtype = FLOAT_DTYPES.find((name) => dtypes.size === 1 && name === only) ?? 'float32';
  return { dtype, batchesTracked: packBatches(batchesTracked(stateDict)), trained: false };
}

function refuseForeignHeads({ auxProblem }: Match): void {
  if (auxProblem === undefined) return;
  throw new Pth2tfjsError(
    'mapping',
    `the auxiliary heads, which training uses, do not fit ${NETWORK.name}'s: ${auxProblem}`,
    {
      hint: `convert without ${option('trainable')}, or drop the heads, in Python: torch.save({k: v for k, v in sd.items() if not k.startswith("aux")}, "out.pth")`,
    },
  );
}

/** Keys of a state dict that even training has no use for. */
export function unusedInTraining({ ignored }: Match): readonly string[] {
  const used = stateDictEntries(buildNetwork({ auxClasses: [1, 1] }));
  return ignored.filter((key) => !used.has(key));
}

export function packBatches(batches: BatchesTracked): TrainingRecord['batchesTracked'] {
  if (batches === null) return null;
  const counts = new Set(batches.values());
  const [only] = counts;
  return only !== undefined && counts.size === 1 ? only : Object.fromEntries(batches);
}

/**
 * Takes a trainable model out of what `convert --trainable`, `TrainableGoogLeNet.toFiles` or
 * TensorFlow.js's own `model.save` wrote.
 * @param identityBatchNorm give a model whose BatchNorm is folded one that changes nothing
 * @throws Pth2tfjsError `model` for one that is damaged or another network; `unsupported` for a
 *   folded model without `identityBatchNorm`, and for a graph
 */
export function openTrainable(
  stored: StoredModel,
  { identityBatchNorm = false }: { readonly identityBatchNorm?: boolean | undefined } = {},
): TrainableModel {
  if (stored.format === 'graph') throw cannotGoBack('is a graph, which is frozen');
  const model = openModel(stored);
  const folded = isFolded(model);
  if (folded && !identityBatchNorm) {
    throw cannotGoBack('has BatchNorm folded into its convolutions, which cannot be undone');
  }
  const options = readOptions(model, folded);
  const trainable = folded ? unfold(model, options) : model;
  checkWeights(trainable, options);
  const { provenance } = stored;
  const read = (weight: string) => trainable.weights.get(weight)?.data as Float32Array;
  const batches = unpackBatches(provenance?.training, options);
  return { options, read, provenance, batches, dtype: dtypeOf(model, provenance) };
}

/** TensorFlow.js hands our notes on when it saves a model that it has trained, but signs as its author. */
function dtypeOf({ rest }: EditableModel, provenance: Provenance | null): FloatDType {
  const { trained, dtype } = provenance?.training ?? {};
  const untouched = trained === false && rest.generatedBy === provenance?.tool;
  return FLOAT_DTYPES.find((name) => untouched && name === dtype) ?? 'float32';
}

function cannotGoBack(why: string): Pth2tfjsError {
  return new Pth2tfjsError('unsupported', `the model ${why}`, {
    hint: `convert the checkpoint again with ${option('trainable')}, or ask for ${option('identityBatchNorm')} to get a checkpoint that computes the same as a folded layers model`,
  });
}

/** A folded model with BatchNorms that scale by one and add what was the bias. */
function unfold(model: EditableModel, options: TrainableOptions): EditableModel {
  const weights = new Map(model.weights);
  const names = new Map(linksOf(options).map(({ key, weight }) => [key, weight]));
  const put = (key: string, shape: readonly number[], data: Float32Array) => {
    weights.set(names.get(key) ?? key, { shape, data });
  };
  for (const { name, recipe } of describeModel(options).tensors) {
    const found = weights.get(name);
    if (recipe.type !== 'folded' || found === undefined) continue;
    weights.delete(name);
    const { module, batchNorm } = recipe.conv;
    if (recipe.part === 'kernel') put(`${module}.weight`, found.shape, found.data);
    else {
      const filled = (value: number) => new Float32Array(found.data.length).fill(value);
      put(`${batchNorm.module}.weight`, found.shape, filled(1));
      put(`${batchNorm.module}.bias`, found.shape, found.data);
      put(`${batchNorm.module}.running_mean`, found.shape, filled(0));
      put(`${batchNorm.module}.running_var`, found.shape, filled(1 - batchNorm.eps));
    }
  }
  return { ...model, weights };
}

/** Strict both ways, like the mapping of a state dict. */
function checkWeights({ weights }: EditableModel, options: TrainableOptions): void {
  const unknown = new Set(weights.keys());
  for (const { name: weight, shape: wanted } of describeTrainable(options).tensors) {
    const found = weights.get(weight)?.shape;
    if (String(found) !== String(wanted)) {
      const is = found === undefined ? 'is missing' : `has the shape [${found.join(', ')}]`;
      throw damaged(
        `is no trainable ${NETWORK.name}: ${weight} ${is}, where [${wanted.join(', ')}] is wanted`,
      );
    }
    unknown.delete(weight);
  }
  const [first] = unknown;
  if (first !== undefined) throw damaged(`is no trainable ${NETWORK.name}: it holds ${first}`);
}

function unpackBatches(
  { batchesTracked: packed }: Partial<TrainingRecord> = {},
  options: TrainableOptions,
): BatchesTracked {
  if (packed === null) return null;
  if (typeof packed === 'object') return new Map(Object.entries(packed));
  const counters = [...stateDictEntries(buildNetwork(options))].filter(
    ([, { counter }]) => counter,
  );
  return new Map(counters.map(([key]) => [countedBlock(key), packed ?? 0]));
}

/** Which weight holds which tensor of the state dict. */
export function linksOf(options: TrainableOptions): WeightLink[] {
  return weightLinks(buildNetwork(options), describeTrainable(options).tensors);
}
