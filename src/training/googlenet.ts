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
import { toFloat32 } from '../checkpoint/float32.js';
import type { StateDict, TensorView } from '../checkpoint/tensor.js';
import { Pth2tfjsError } from '../errors.js';
import {
  type Branch3Kernel,
  type ConvBlock,
  DROPOUT,
  type InceptionBlock,
} from '../googlenet/architecture.js';
import { MappingError, matchStateDict } from '../googlenet/mapping.js';
import {
  type AuxBlock,
  addTrainable,
  type TrainableBlocks,
  type TrainableOptions,
} from '../googlenet/trainable.js';
import {
  constantWeights,
  toHWIO,
  type WeightLink,
  weightLinks,
} from '../googlenet/trainable-weights.js';
import { followPyTorch } from './batch-norm.js';
import { checkGradientKernels } from './gradient-kernels.js';
import { initializers, mix } from './initializers.js';
import { AUX_LOSS_WEIGHT, crossEntropy, type GoogLeNetOutputs } from './loss.js';
import { SymbolicGraph, type SymbolicNode } from './symbolic-graph.js';

/** A caller's own block: applies layers of TensorFlow.js to the input, NHWC. */
export type BlockFactory<B> = (input: SymbolicTensor, block: B) => SymbolicTensor;

/** torchvision's arguments of `googlenet()`, by their names and with their defaults. */
export interface GoogLeNetOptions {
  /** Default 1000. */
  readonly numClasses?: number | undefined;
  /** Whether there are auxiliary heads; default true. */
  readonly auxLogits?: boolean | undefined;
  /** Turn ImageNet's normalisation into [-1, 1]; default false. */
  readonly transformInput?: boolean | undefined;
  /** True, the default: normal, σ 0.01, truncated at two deviations; false: as PyTorch's layers start. */
  readonly initWeights?: boolean | undefined;
  /** Take the place of torchvision's BasicConv2d, Inception and InceptionAux; as there, Inception and
   * InceptionAux are built of BasicConv2d whatever `conv` is. */
  readonly blocks?:
    | {
        readonly conv?: BlockFactory<ConvBlock> | undefined;
        readonly inception?: BlockFactory<InceptionBlock> | undefined;
        readonly aux?: BlockFactory<AuxBlock> | undefined;
      }
    | undefined;
  /** Before `fc`; default 0.2. */
  readonly dropout?: number | undefined;
  /** In the auxiliary heads; default 0.7. */
  readonly dropoutAux?: number | undefined;
  /** Side of the square images in pixels, 15 or more; default 224. */
  readonly imageSize?: number | undefined;
  /** Side of branch3's second kernel: 3, the default, as torchvision has it, or 5, as the paper. */
  readonly branch3Kernel?: Branch3Kernel | undefined;
  /** Makes initial weights and dropout repeatable. */
  readonly seed?: number | undefined;
}

export interface LoadStateDictOptions {
  /**
   * Leave `fc` and the auxiliary heads' `fc2` as they are where the state dict has another number of
   * classes, and all of the auxiliary heads where it has none.
   */
  readonly newHeads?: boolean | undefined;
}

/**
 * Builds torchvision's GoogLeNet, to be trained, on TensorFlow.js's current backend; await `tf.ready()`
 * first. Without BatchNorm folded, and unlike PyTorch's, its layout is NHWC.
 *
 * ```ts
 * const net = googlenet({ numClasses: 10, imageSize: 96 });
 * const optimizer = tf.train.momentum(0.01, 0.9);
 * optimizer.minimize(() => googlenetLoss(net.forward(images, { training: true }), labels), false, net.variables);
 * ```
 * @throws Pth2tfjsError `usage` for sizes that make no sense
 */
export function googlenet(options: GoogLeNetOptions = {}): TrainableGoogLeNet {
  const { numClasses = 1000, auxLogits = true, initWeights = true, seed } = options;
  if (!Number.isInteger(numClasses) || numClasses < 1) {
    throw new Pth2tfjsError('usage', `${numClasses} classes; there must be a whole number of them`);
  }
  const network: TrainableOptions = {
    numClasses,
    auxClasses: auxLogits ? [numClasses, numClasses] : undefined,
    transformInput: options.transformInput ?? false,
    imageSize: options.imageSize ?? 224,
    branch3Kernel: options.branch3Kernel ?? 3,
    dropout: options.dropout ?? DROPOUT.main,
    dropoutAux: options.dropoutAux ?? DROPOUT.aux,
  };
  const graph = new SymbolicGraph(initializers({ initWeights, seed }));
  const outputs = addTrainable(graph, network, blocksOf(options.blocks));
  const customBlocks = Object.values(options.blocks ?? {}).some((block) => block !== undefined);
  return new TrainableGoogLeNet(graph.model(outputs), network, { seed, customBlocks });
}

function blocksOf(blocks: GoogLeNetOptions['blocks']): Partial<TrainableBlocks<SymbolicNode>> {
  const entries = Object.entries(blocks ?? {}).filter(([, factory]) => factory !== undefined);
  return Object.fromEntries(
    entries.map(([kind, factory]) => [
      kind,
      (from: SymbolicNode, block: unknown) =>
        SymbolicGraph.node((factory as BlockFactory<unknown>)(from.tensor, block)),
    ]),
  );
}

/** A GoogLeNet that can be trained. Give its memory back with `dispose`. */
export class TrainableGoogLeNet {
  /** The same layers up to the logits. */
  private readonly inference: LayersModel;
  private readonly weights: ReadonlyMap<string, LayerVariable>;
  private readonly links: readonly WeightLink[];
  /** Batches that each BasicConv2d's BatchNorm has been trained with: `num_batches_tracked`. */
  private readonly batches = new Map<string, number>();

  constructor(
    /** Outputs: logits, and with auxiliary heads those of aux2 and of aux1, as in torchvision. */
    readonly model: LayersModel,
    readonly options: Readonly<TrainableOptions>,
    private readonly own: { readonly seed: number | undefined; readonly customBlocks: boolean },
  ) {
    this.inference = buildModel({
      inputs: model.inputs,
      outputs: model.outputs[0] as SymbolicTensor,
    });
    this.weights = new Map(model.weights.map((weight) => [weight.originalName, weight]));
    this.links = weightLinks(options);
    for (const [name, values] of constantWeights(options)) this.write(name, values);
    for (const [index, layer] of model.layers.entries()) {
      if (!layer.trainable) for (const weight of layer.weights) weight.trainable = false;
      if (layer.getClassName() === 'BatchNormalization') this.trackBatches(layer);
      if (layer.getClassName() === 'Dropout') this.seedDropout(layer, index);
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
   */
  freeze(modules: readonly string[]): void {
    const inside = (name: string) => modules.some((m) => name === m || name.startsWith(`${m}.`));
    const constant = new Set(constantWeights(this.options).keys());
    for (const layer of this.model.layers) {
      if (layer.weights.some(({ originalName }) => constant.has(originalName))) continue;
      layer.trainable = !inside(layer.name);
    }
  }

  /**
   * Takes over the tensors of a state dict, such as `selectStateDict` finds in a checkpoint.
   * @throws MappingError where it does not fit; nothing is changed then
   */
  loadStateDict(stateDict: StateDict, { newHeads = false }: LoadStateDictOptions = {}): void {
    this.refuseCustomBlocks('take a state dict');
    const match = matchStateDict(stateDict);
    const left = newHeads ? headsUnlike(stateDict, this.links) : [];
    const wanted = this.links.filter(({ key }) => !left.some((head) => key.startsWith(head)));
    checkShapes(stateDict, wanted);
    if (match.auxLogits && this.options.auxClasses === undefined && !newHeads) {
      throw new MappingError(
        [],
        [...stateDict.keys()].filter((key) => key.startsWith('aux')),
        [],
      );
    }
    for (const { key, weight, oihw } of wanted) {
      const values = toFloat32(stateDict.get(key) as TensorView);
      this.write(weight, oihw === undefined ? values : toHWIO(values, oihw));
    }
    for (const conv of this.batches.keys()) {
      const count = stateDict.get(`${conv}.bn.num_batches_tracked`);
      this.batches.set(conv, count === undefined ? 0 : (toFloat32(count)[0] as number));
    }
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
    const conv = layer.name.replace(/\.bn$/, '');
    this.batches.set(conv, 0);
    followPyTorch(layer, () => this.batches.set(conv, (this.batches.get(conv) ?? 0) + 1));
  }

  /** With a seed, other features are zeroed in each batch, and the same ones whenever it is repeated. */
  private seedDropout(layer: layers.Layer, index: number): void {
    const { seed } = this.own;
    if (seed === undefined) return;
    layer.setCallHook(() => {
      const batch = this.batches.values().next().value ?? 0;
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
  if (missing.length + mismatched.length > 0) throw new MappingError(missing, [], mismatched);
}
