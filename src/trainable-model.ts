import { FLOAT_DTYPES, type FloatDType } from './checkpoint/from-float32.js';
import type { StateDict } from './checkpoint/tensor.js';
import { Pth2tfjsError } from './errors.js';
import { BATCH_NORM_EPS, convBlocks } from './googlenet/architecture.js';
import { stateDictLayout } from './googlenet/keys.js';
import type { Match } from './googlenet/mapping.js';
import { isImageSize } from './googlenet/model.js';
import { describeTrainable, type TrainableOptions } from './googlenet/trainable.js';
import { type BatchesTracked, batchesTracked, weightLinks } from './googlenet/trainable-weights.js';
import type { Provenance, TrainingRecord } from './provenance.js';
import type { NamedBytes } from './tfjs/artifacts.js';
import { type EditableModel, openModel } from './tfjs/editable-model.js';
import { isGraph, readProvenance } from './tfjs/load.js';
import { damaged } from './tfjs/loaded-model.js';
import { faultWarnings, findFaults } from './weight-faults.js';

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
  const weights = weightLinks(options).map(({ key, weight }) => [key, read(weight)] as const);
  return faultWarnings(findFaults(weights));
}

/**
 * What a trainable model is to remember of a state dict.
 * @throws Pth2tfjsError `mapping` for auxiliary heads that are not torchvision's, since training uses them
 */
export function describeTraining(stateDict: StateDict, match: Match): TrainingRecord {
  refuseForeignHeads(match);
  const keys = new Set(weightLinks(match).map(({ key }) => key));
  const dtypes = new Set([...keys].map((key) => stateDict.get(key)?.dtype));
  const [only] = dtypes;
  const dtype = FLOAT_DTYPES.find((name) => dtypes.size === 1 && name === only) ?? 'float32';
  return { dtype, batchesTracked: packBatches(batchesTracked(stateDict)), trained: false };
}

function refuseForeignHeads({ auxProblem }: Match): void {
  if (auxProblem === undefined) return;
  throw new Pth2tfjsError(
    'mapping',
    `the auxiliary heads, which training uses, do not fit GoogLeNet's: ${auxProblem}`,
    {
      hint: 'convert without --trainable, or drop the heads, in Python: torch.save({k: v for k, v in sd.items() if not k.startswith("aux")}, "out.pth")',
    },
  );
}

/** Keys of a state dict that even training has no use for. */
export function unusedInTraining({ ignored }: Match): readonly string[] {
  return ignored.filter((key) => !/^aux[12]\.|\.num_batches_tracked$/.test(key));
}

export function packBatches(batches: BatchesTracked): TrainingRecord['batchesTracked'] {
  if (batches === null) return null;
  const counts = new Set(batches.values());
  const [only] = counts;
  return only !== undefined && counts.size === 1 ? only : Object.fromEntries(batches);
}

/**
 * Takes a trainable model out of the files that `convert --trainable`, `TrainableGoogLeNet.toFiles` or
 * TensorFlow.js's own `model.save` wrote.
 * @param identityBatchNorm give a model whose BatchNorm is folded one that changes nothing
 * @throws Pth2tfjsError `model` for files that are damaged or hold another network; `unsupported` for a
 *   folded model without `identityBatchNorm`, and for a graph
 */
export function openTrainable(
  files: readonly NamedBytes[],
  { identityBatchNorm = false }: { readonly identityBatchNorm?: boolean | undefined } = {},
): TrainableModel {
  if (isGraph(files)) throw cannotGoBack('is a graph, which is frozen');
  const model = openModel(files);
  const folded = model.weights.has('conv1/kernel');
  if (folded && !identityBatchNorm) {
    throw cannotGoBack('has BatchNorm folded into its convolutions, which cannot be undone');
  }
  const trainable = folded ? unfold(model) : model;
  const options = optionsOf(trainable);
  checkWeights(trainable, options);
  const provenance = readProvenance(files);
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
    hint: 'convert the checkpoint again with --trainable, or ask for --identity-bn to get a checkpoint that computes the same as a folded layers model',
  });
}

/** A folded model with BatchNorms that scale by one and add what was the bias. */
function unfold(model: EditableModel): EditableModel {
  const weights = new Map(model.weights);
  const kernel = weights.get('inception3a.branch3.1/kernel')?.shape[0] === 5 ? 5 : 3;
  for (const { name, outChannels } of convBlocks(kernel)) {
    const [convolution, bias] = [weights.get(`${name}/kernel`), weights.get(`${name}/bias`)];
    if (convolution === undefined || bias === undefined) continue;
    const filled = (value: number) => {
      return { shape: [outChannels], data: new Float32Array(outChannels).fill(value) };
    };
    weights.delete(`${name}/kernel`);
    weights.delete(`${name}/bias`);
    weights.set(`${name}.conv/kernel`, convolution);
    weights.set(`${name}.bn/gamma`, filled(1));
    weights.set(`${name}.bn/beta`, bias);
    weights.set(`${name}.bn/moving_mean`, filled(0));
    weights.set(`${name}.bn/moving_variance`, filled(1 - BATCH_NORM_EPS));
  }
  return { ...model, weights };
}

/** The network's options, as its layers and the shapes of its weights tell them. */
function optionsOf({ layers, weights }: EditableModel): TrainableOptions {
  const config = (name: string) => layers.find((layer) => layer.name === name)?.config;
  const sizes = (weight: string) => weights.get(weight)?.shape ?? [];
  const aux = ['aux1', 'aux2'].map((head) => sizes(`${head}.fc2/kernel`)[1]);
  const shape: unknown = config('input')?.batch_input_shape;
  const imageSize: unknown = Array.isArray(shape) ? shape[1] : undefined;
  if (typeof imageSize !== 'number') throw damaged('has no layer named input');
  if (!isImageSize(imageSize)) throw damaged(`takes images of ${imageSize}x${imageSize}`);
  return {
    imageSize,
    numClasses: sizes('fc/kernel')[1] ?? 0,
    branch3Kernel: sizes('inception3a.branch3.1.conv/kernel')[0] === 5 ? 5 : 3,
    transformInput: config('transform_input') !== undefined,
    auxClasses: aux[0] === undefined ? undefined : [aux[0], aux[1] ?? 0],
    dropout: config('dropout')?.rate,
    dropoutAux: config('aux1.dropout')?.rate,
  };
}

/** Strict both ways, like the mapping of a state dict. */
function checkWeights({ weights }: EditableModel, options: TrainableOptions): void {
  const unknown = new Set(weights.keys());
  for (const { name: weight, shape: wanted } of describeTrainable(options).weights) {
    const found = weights.get(weight)?.shape;
    if (String(found) !== String(wanted)) {
      const is = found === undefined ? 'is missing' : `has the shape [${found.join(', ')}]`;
      throw damaged(
        `is no trainable GoogLeNet: ${weight} ${is}, where [${wanted.join(', ')}] is wanted`,
      );
    }
    unknown.delete(weight);
  }
  const [first] = unknown;
  if (first !== undefined) throw damaged(`is no trainable GoogLeNet: it holds ${first}`);
}

const COUNT = '.bn.num_batches_tracked';

function unpackBatches(
  { batchesTracked: packed }: Partial<TrainingRecord> = {},
  options: TrainableOptions,
): BatchesTracked {
  if (packed === null) return null;
  if (typeof packed === 'object') return new Map(Object.entries(packed));
  const names = [...stateDictLayout(options).keys()].filter((key) => key.endsWith(COUNT));
  return new Map(names.map((key) => [key.slice(0, -COUNT.length), packed ?? 0]));
}
