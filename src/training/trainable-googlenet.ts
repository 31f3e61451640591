import {
  mul,
  type Tensor,
  type Tensor2D,
  type Tensor4D,
  tensor,
  tidy,
  type Variable,
} from '@tensorflow/tfjs-core';
import {
  model as buildModel,
  type LayersModel,
  type LayerVariable,
  type layers,
  type SymbolicTensor,
} from '@tensorflow/tfjs-layers';
import { concatenateFloats } from '../base/bytes.js';
import { Pth2tfjsError } from '../base/errors.js';
import { type OnWarning, warnOnConsole } from '../base/warn.js';
import { toFloat32 } from '../checkpoint/tensor/float32.js';
import { checkUnfolded, type StateDict, type TensorView } from '../checkpoint/tensor/tensor.js';
import { buildNetwork, describeTrainable, type TrainableOptions } from '../describe-model.js';
import { checkLabels } from '../image/labels.js';
import {
  type BatchesTracked,
  batchesTracked,
  countedBlock,
  toStateDict,
  type WeightLink,
} from '../network/invert.js';
import { MappingError } from '../network/mapping-error.js';
import type { StoredTensor } from '../network/plan.js';
import { faultWarnings, findFaults } from '../network/weight-faults.js';
import { NETWORK } from '../networks/index.js';
import { matchStateDict } from '../networks/match.js';
import { toHWIO } from '../numbers/layout.js';
import { type NamedBytes, toArtifacts } from '../stored-model/artifacts.js';
import { describeTrained } from '../stored-model/provenance.js';
import { linksOf, packBatches, type TrainableModel } from '../stored-model/trainable-model.js';
import { followPyTorch } from './batch-norm.js';
import { registerConvGradients } from './conv-gradient.js';
import { checkGradientKernels } from './gradient-kernels.js';
import { mix } from './initializers.js';
import { AUX_LOSS_WEIGHT, crossEntropy, type GoogLeNetOutputs } from './loss.js';

export interface LoadStateDictOptions {
  /**
   * Leave `fc` and the auxiliary heads' `fc2` as they are where the state dict has another number of
   * classes, and all of the auxiliary heads where it has none.
   */
  readonly newHeads?: boolean | undefined;
  /** Told of weights that are no numbers, and the like; default `console.warn`. */
  readonly onWarning?: OnWarning | undefined;
}

/** What a network is made with, besides its layers. */
interface Own {
  /** Makes dropout repeatable. */
  readonly seed: number | undefined;
  readonly customBlocks: boolean;
  /** Where its weights come from, if it was written to files before. */
  readonly saved?: Pick<TrainableModel, 'read' | 'batches'>;
}

/** A GoogLeNet that can be trained. Give its memory back with `dispose`. */
export class TrainableGoogLeNet {
  /** The same layers up to the logits. */
  private readonly inference: LayersModel;
  private readonly weights: ReadonlyMap<string, LayerVariable>;
  private readonly links: readonly WeightLink[];
  /** What the model is stored as. */
  private readonly tensors: readonly StoredTensor[];
  /** Batches that each BasicConv2d's BatchNorm has been trained with: `num_batches_tracked`. */
  private readonly batches = new Map<string, number>();

  constructor(
    /** Outputs: logits, and with auxiliary heads those of aux2 and of aux1, as in torchvision. */
    readonly model: LayersModel,
    readonly options: Readonly<TrainableOptions>,
    private readonly own: Own,
  ) {
    registerConvGradients();
    this.inference = buildModel({
      inputs: model.inputs,
      outputs: model.outputs[0] as SymbolicTensor,
    });
    this.weights = new Map(model.weights.map((weight) => [weight.originalName, weight]));
    this.links = linksOf(options);
    this.tensors = describeTrainable(options).tensors;
    for (const { name, recipe } of this.tensors) {
      if (recipe.type === 'constant') this.write(name, recipe.values());
    }
    for (const [index, layer] of model.layers.entries()) {
      if (!layer.trainable) for (const weight of layer.weights) weight.trainable = false;
      if (layer.getClassName() === 'BatchNormalization') this.trackBatches(layer);
      if (layer.getClassName() === 'Dropout') this.seedDropout(layer, index);
    }
    if (own.saved !== undefined) {
      for (const { weight } of this.links) this.write(weight, own.saved.read(weight));
      this.setBatches(own.saved.batches);
    }
  }

  /**
   * Runs images, normalised, NHWC `[images, imageSize, imageSize, 3]`.
   * @returns the logits, `[images, numClasses]`; in training, with batch statistics and dropout, also
   *   those of the auxiliary heads
   */
  forward(images: Tensor4D, options: { readonly training: true }): GoogLeNetOutputs;
  forward(images: Tensor4D, options?: { readonly training?: false | undefined }): Tensor2D;
  forward(
    images: Tensor4D,
    { training = false }: { readonly training?: boolean | undefined } = {},
  ): GoogLeNetOutputs | Tensor2D {
    if (!training) return tidy(() => this.inference.apply(images) as Tensor2D);
    checkGradientKernels();
    return this.run(images, { training: true });
  }

  /** All outputs without batch statistics and dropout: in PyTorch, those of `eval()` and of its heads. */
  evaluate(images: Tensor4D): GoogLeNetOutputs {
    return this.run(images, {});
  }

  private run(images: Tensor4D, kwargs: { readonly training?: true }): GoogLeNetOutputs {
    const outputs = tidy(() => [this.model.apply(images, kwargs)].flat() as Tensor2D[]);
    const [logits, auxLogits2, auxLogits1] = outputs as [Tensor2D, ...Tensor2D[]];
    return auxLogits2 === undefined ? { logits } : { logits, auxLogits2, auxLogits1 };
  }

  /** What `optimizer.minimize` and `tf.variableGrads` are to change. */
  get variables(): Variable[] {
    return this.model.trainableWeights.map((weight) => weight.read() as Variable);
  }

  /** For `model.compile({ loss })`, an output each: the parts of {@link googlenetLoss}. */
  get losses(): ((labels: Tensor, logits: Tensor) => Tensor)[] {
    return this.model.outputs.map((_, i) => (labels: Tensor, logits: Tensor) => {
      const loss = crossEntropy(labels, logits as Tensor2D);
      return i === 0 ? loss : mul(loss, AUX_LOSS_WEIGHT);
    });
  }

  /**
   * Keeps training from changing these modules' weights, such as `conv1` or `inception3a`; the others are
   * trained. Running statistics go on, as with PyTorch's `requires_grad = False`.
   * @throws Pth2tfjsError `usage` for a module that the network has not
   */
  freeze(modules: readonly string[]): void {
    const isOf = (layer: string, module: string) =>
      layer === module || layer.startsWith(`${module}.`);
    const unknown = modules.find((m) => !this.model.layers.some(({ name }) => isOf(name, m)));
    if (unknown !== undefined) throw noModule(unknown);
    const inside = (name: string) => modules.some((m) => isOf(name, m));
    const constants = this.tensors.filter(({ recipe }) => recipe.type === 'constant');
    const constant = new Set(constants.map(({ name }) => name));
    for (const layer of this.model.layers) {
      if (layer.weights.some(({ originalName }) => constant.has(originalName))) continue;
      layer.trainable = !inside(layer.name);
    }
  }

  /**
   * Takes over the tensors of a state dict, such as `selectStateDict` finds in a checkpoint.
   * @throws MappingError where it does not fit; nothing is changed then
   */
  loadStateDict(
    stateDict: StateDict,
    { newHeads = false, onWarning = warnOnConsole }: LoadStateDictOptions = {},
  ): void {
    this.refuseCustomBlocks('take a state dict');
    const match = matchStateDict(stateDict);
    const left = newHeads ? headsUnlike(stateDict, this.links) : [];
    const wanted = this.links.filter(({ key }) => !left.some((head) => key.startsWith(head)));
    checkShapes(stateDict, wanted);
    if (match.auxLogits && this.options.auxClasses === undefined && !newHeads) {
      const heads = [...stateDict.keys()].filter((key) => key.startsWith('aux'));
      throw new MappingError([], heads, [], { network: NETWORK.name });
    }
    checkUnfolded(wanted.map(({ key }) => stateDict.get(key) as TensorView));
    const tensors: [string, Float32Array][] = [];
    for (const { key, weight, oihw } of wanted) {
      const values = toFloat32(stateDict.get(key) as TensorView);
      tensors.push([key, values]);
      this.write(weight, oihw === undefined ? values : toHWIO(values, oihw));
    }
    for (const warning of faultWarnings(findFaults(tensors))) onWarning(warning);
    this.setBatches(batchesTracked(stateDict));
  }

  private setBatches(counts: BatchesTracked): void {
    for (const conv of this.batches.keys()) this.batches.set(conv, counts?.get(conv) ?? 0);
  }

  /** The state dict that PyTorch's `model.state_dict()` would be, to be saved with `saveStateDict`. */
  async stateDict(): Promise<StateDict> {
    this.refuseCustomBlocks('give a state dict');
    const values = await this.readWeights();
    const read = (name: string) => values.get(name) as Float32Array;
    return toStateDict(buildNetwork(this.options), this.tensors, read, this.batches);
  }

  /**
   * The model as files, `model.json` and weight shards, as `convert --trainable` writes them; for
   * {@link loadTrainable}, `pth2tfjs export` and stock `tf.loadLayersModel`.
   * @param labels names of the classes, in the order of the logits, to be kept in the model
   */
  async toFiles(labels?: readonly string[]): Promise<NamedBytes[]> {
    this.refuseCustomBlocks('be written to files');
    if (labels !== undefined) checkLabels(labels, this.options.numClasses);
    const { topology, tensors } = describeTrainable(this.options);
    const values = await this.readWeights();
    const data = tensors.map(({ name }) => values.get(name) as Float32Array);
    return toArtifacts({
      topology,
      weights: tensors,
      format: 'layers-model',
      data: concatenateFloats(data),
      provenance: describeTrained(this.options, packBatches(this.batches), labels),
    });
  }

  private async readWeights(): Promise<ReadonlyMap<string, Float32Array>> {
    const read = async ([name, weight]: [string, LayerVariable]) =>
      [name, await weight.read().data<'float32'>()] as const;
    return new Map(await Promise.all([...this.weights].map(read)));
  }

  /** Gives back the memory of the weights. */
  dispose(): void {
    this.model.dispose();
  }

  private write(name: string, values: Float32Array): void {
    const weight = this.weights.get(name);
    if (weight === undefined) return;
    tidy(() => {
      weight.write(tensor(values, weight.shape as number[]));
    });
  }

  private trackBatches(layer: layers.Layer): void {
    const conv = countedBlock(layer.name);
    this.batches.set(conv, 0);
    followPyTorch(layer, () => this.batches.set(conv, (this.batches.get(conv) ?? 0) + 1));
  }

  /** With a seed, other features are zeroed in each batch, and the same ones whenever it is repeated. */
  private seedDropout(layer: layers.Layer, index: number): void {
    const { seed } = this.own;
    if (seed === undefined) return;
    let calls = 0; // counts where a caller's own blocks have no BatchNorm
    layer.setCallHook(() => {
      const batch = this.batches.values().next().value ?? calls++;
      (layer as layers.Layer & { seed: number }).seed = mix(mix(seed, index), batch);
    });
  }

  private refuseCustomBlocks(action: string): void {
    if (!this.own.customBlocks) return;
    throw new Pth2tfjsError('unsupported', `a network with blocks of your own cannot ${action}`, {
      hint: "torchvision's keys stand for torchvision's blocks: read and write the weights through net.model",
    });
  }
}

function noModule(name: string): Pth2tfjsError {
  return new Pth2tfjsError('usage', `the network has no module ${name} to freeze`, {
    hint: 'summary(net) prints their names',
  });
}

/** The heads to leave alone: those of other classes, and auxiliary ones that the state dict lacks. */
function headsUnlike(stateDict: StateDict, links: readonly WeightLink[]): string[] {
  const classes = links.filter(({ key }) => /^(fc|aux[12]\.fc2)\.bias$/.test(key));
  return classes.flatMap(({ key, shape }) => {
    const found = stateDict.get(key);
    if (found === undefined) return [`${key.split('.')[0]}.`];
    return found.shape[0] === shape[0] ? [] : [key.replace(/bias$/, '')];
  });
}

/** @throws MappingError for tensors that are absent, or of another shape than this network's */
function checkShapes(stateDict: StateDict, links: readonly WeightLink[]): void {
  const missing = links.filter(({ key }) => !stateDict.has(key)).map(({ key }) => key);
  const mismatched = links.flatMap(({ key, shape }) => {
    const found = stateDict.get(key);
    if (found === undefined || String(found.shape) === String(shape)) return [];
    return [{ key, found: `[${found.shape.join(', ')}]`, expected: `[${shape.join(', ')}]` }];
  });
  if (missing.length + mismatched.length > 0)
    throw new MappingError(missing, [], mismatched, { network: NETWORK.name });
}
