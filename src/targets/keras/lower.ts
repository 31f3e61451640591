import { Pth2tfjsError } from '../../base/errors.js';
import { fold, prune } from '../../network/fold.js';
import { type Copy, convRecipes, type Recipe, type StoredTensor } from '../../network/plan.js';
import { isGlobalPool, outputShape } from '../../network/shapes.js';
import type { Graph } from '../../network/trace.js';
import type {
  AdaptiveAvgPool2d,
  Affine,
  BatchNorm,
  Conv2d,
  Linear,
  MaxPool2d,
  Op,
  Pair,
  Shape,
  Value,
} from '../../network/value.js';
import type { OIHW } from '../../numbers/layout.js';
import { numel } from '../../numbers/shape.js';
import { adaptivePool } from './adaptive-pool.js';
import {
  type Initializers,
  JSONGraph,
  type KerasModel,
  type LayerConfig,
  type LayerGraph,
  REPLACED,
  ZEROS,
} from './graph.js';
import { poolPadding } from './windows.js';

/**
 * A network's graph as standard Keras layers, NHWC, with PyTorch's padding; layers are named after the
 * torch modules. Source of the names and options: tfjs-layers' serialization of `LayersModel`.
 */

/**
 * Describes the model that `tf.loadLayersModel` will build, without any of TensorFlow.js.
 * Input `[batch, height, width, channels]`, outputs as the graph's.
 * @param name the model's
 */
export function describeKeras(graph: Graph, name: string): KerasModel {
  const layers = new JSONGraph();
  const { outputs, tensors } = lowerToKeras(graph, layers);
  return { topology: layers.topology(name, outputs), layers: layers.layers, tensors };
}

/** Adds the network to a graph of layers. */
export function lowerToKeras<T>(
  graph: Graph,
  layers: LayerGraph<T>,
  initial: Initializers = REPLACED,
): { readonly outputs: readonly T[]; readonly tensors: readonly StoredTensor[] } {
  const lowering = new Lowering(layers, initial, blockNames(graph));
  const outputs = new Map<Value, Lowered<T>>();
  for (const value of mainFirst(graph)) {
    const from = value.from.map((each) => outputs.get(each) as Lowered<T>);
    outputs.set(value, lowering.lower(value, from));
  }
  return {
    outputs: graph.outputs.map((value) => (outputs.get(value) as Lowered<T>).output),
    tensors: lowering.tensors,
  };
}

/** What the logits come of, and then the rest. */
function mainFirst(graph: Graph): Value[] {
  const main = new Set(prune(graph).values);
  return [...main, ...graph.values.filter((value) => !main.has(value))];
}

/** The path of the block that each convolution begins, by its module: that of the last that goes with it. */
function blockNames(graph: Graph): ReadonlyMap<string, string> {
  const convs = fold(graph).values.flatMap(({ op, path }) =>
    op.type === 'conv2d' ? [[op.module, path] as const] : [],
  );
  return new Map(convs);
}

/** A layer's output, and its shape for one image in PyTorch's order. */
interface Lowered<T> {
  readonly output: T;
  readonly shape: Shape;
  /** Channels, height and width of what has been flattened. */
  readonly flattened?: Shape | undefined;
}

class Lowering<T> {
  readonly tensors: StoredTensor[] = [];

  constructor(
    private readonly layers: LayerGraph<T>,
    private readonly initial: Initializers,
    private readonly blocks: ReadonlyMap<string, string>,
  ) {}

  lower(value: Value, from: readonly Lowered<T>[]): Lowered<T> {
    const { op } = value;
    if (op.type === 'custom') {
      return this.layers.custom(op.apply, value.path, (from[0] as Lowered<T>).output);
    }
    const shape =
      op.type === 'input'
        ? value.shape
        : outputShape(
            op,
            from.map((each) => each.shape),
          );
    const [first] = from;
    const flattened =
      op.type === 'flatten' ? first?.shape : keepsOrder(op) ? first?.flattened : undefined;
    return { output: this.layer(value, op, from), shape, flattened };
  }

  private layer({ path, shape }: Value, op: Op, from: readonly Lowered<T>[]): T {
    const [first] = from as readonly [Lowered<T>];
    switch (op.type) {
      case 'input':
        return this.input(shape);
      case 'affine':
        return this.affine(path, op, first);
      case 'conv2d':
        return this.conv(path, op, first);
      case 'batchNorm2d':
        return this.batchNorm(path, op, first);
      case 'relu':
        return this.add('Activation', path, { activation: 'relu' }, from);
      case 'maxPool2d':
        return this.maxPool(path, op, first);
      case 'adaptiveAvgPool2d':
        return this.adaptiveAvgPool(path, op, first);
      case 'cat':
        return this.add('Concatenate', path, { axis: -1 }, from);
      case 'flatten':
        return this.flatten(path, first);
      case 'dropout':
        return this.add('Dropout', path, { rate: op.p }, from);
      case 'linear':
        return this.linear(path, op, first);
      case 'custom':
        return this.layers.custom(op.apply, path, first.output).output;
    }
  }

  private add(type: string, name: string, config: LayerConfig, from: readonly Lowered<T>[]): T {
    const inputs = from.map(({ output }) => output);
    return this.layers.add(type, name, config, inputs);
  }

  private store(name: string, shape: readonly number[], recipe: Recipe): void {
    this.tensors.push({ name, shape, recipe });
  }

  private input([channels, ...sides]: Shape): T {
    const shape = [null, ...sides, channels];
    const config = { batch_input_shape: shape, dtype: 'float32', sparse: false };
    return this.add('InputLayer', 'input', config, []);
  }

  /** Scale and offset a channel, as a 1x1 depthwise convolution with bias; no training changes it. */
  private affine(name: string, { scale, offset }: Affine, from: Lowered<T>): T {
    const channels = scale.length;
    this.store(`${name}/depthwise_kernel`, [1, 1, channels, 1], constant(scale));
    this.store(`${name}/bias`, [channels], constant(offset));
    const config = {
      ...windows('kernel_size', [1, 1], [1, 1], 'valid'),
      dilation_rate: [1, 1],
      activation: 'linear',
      use_bias: true,
      bias_initializer: ZEROS,
      depth_multiplier: 1,
      depthwise_initializer: ZEROS,
      trainable: false,
    };
    return this.add('DepthwiseConv2D', name, config, [from]);
  }

  /**
   * PyTorch pads both sides alike. `same` does so only for odd kernels with stride 1; with stride 2
   * it may start one pixel off, so there the zeros are a layer of their own.
   */
  private conv(name: string, op: Conv2d, from: Lowered<T>): T {
    const { inChannels, outChannels, kernel, stride, padding, groups, bias } = op;
    if (groups > 1) throw noLayer(name, `a convolution of ${groups} groups`);
    const same = [0, 1].every((axis) => keepsSize(op, axis));
    const explicit = !same && padding.some((side) => side > 0);
    const input = explicit
      ? this.pad(`${this.blocks.get(op.module) ?? name}.pad`, padding, from)
      : from;
    this.storeConv(name, op);
    const fanIn = inChannels * numel(kernel);
    const config = {
      filters: outChannels,
      ...windows('kernel_size', kernel, stride, same && numel(kernel) > 1 ? 'same' : 'valid'),
      dilation_rate: [1, 1],
      activation: op.activation ?? 'linear',
      use_bias: bias || op.batchNorm !== undefined,
      bias_initializer: this.initial.bias(fanIn),
      kernel_initializer: this.initial.kernel(fanIn),
    };
    return this.add('Conv2D', name, config, [input]);
  }

  private storeConv(name: string, op: Conv2d): void {
    const { inChannels, outChannels, kernel: sides } = op;
    if (op.batchNorm !== undefined && op.bias)
      throw noLayer(name, 'a convolution with bias before BatchNorm');
    const { kernel, bias } = convRecipes(op, [outChannels, inChannels, ...sides]);
    this.store(`${name}/kernel`, [...sides, inChannels, outChannels], kernel);
    if (bias !== undefined) this.store(`${name}/bias`, [outChannels], bias);
  }

  private pad(name: string, [vertical, horizontal]: Pair, from: Lowered<T>): Lowered<T> {
    const sides = [
      [vertical, vertical],
      [horizontal, horizontal],
    ];
    const config = { padding: sides, data_format: 'channels_last' };
    return { ...from, output: this.add('ZeroPadding2D', name, config, [from]) };
  }

  /** Keras's momentum is the share of the old statistics, PyTorch's that of the new. */
  private batchNorm(name: string, { module, eps, momentum }: BatchNorm, from: Lowered<T>): T {
    const [channels = 0] = from.shape;
    for (const [field, weight] of BATCH_NORM_FIELDS) {
      this.store(`${name}/${weight}`, [channels], { type: 'copy', key: `${module}.${field}` });
    }
    const config = {
      axis: -1,
      momentum: 1 - momentum,
      epsilon: eps,
      center: true,
      scale: true,
    };
    return this.add('BatchNormalization', name, config, [from]);
  }

  private maxPool(name: string, op: MaxPool2d, from: Lowered<T>): T {
    const padding = poolPadding(op, from.shape);
    if (padding === undefined) throw noLayer(name, 'a max-pool with this padding');
    const config = windows('pool_size', op.kernel, op.stride, padding);
    return this.add('MaxPooling2D', name, config, [from]);
  }

  /**
   * nn.AdaptiveAvgPool2d for any size. Its windows overlap, and their sizes vary, where `output` does not
   * divide the size, which no pooling layer does; but each output is a sum of inputs with fixed weights, so
   * a dense layer over the positions, one a channel, is it. No training changes those weights.
   */
  private adaptiveAvgPool(name: string, op: AdaptiveAvgPool2d, from: Lowered<T>): T {
    if (isGlobalPool(op)) {
      return this.add('GlobalAveragePooling2D', name, { data_format: 'channels_last' }, [from]);
    }
    const [channels = 0, height = 1, width = 1] = from.shape;
    const [positions, pooled] = [height * width, numel(op.output)];
    const step = (type: string, part: string, config: LayerConfig, output: T) =>
      this.layers.add(type, `${name}${part}`, config, [output]);
    const flat = { target_shape: [positions, channels] };
    const rows = step('Reshape', '.flatten', flat, from.output);
    const planes = step('Permute', '.planes', { dims: [2, 1] }, rows);
    const values = () => adaptivePool([height, width], op.output);
    this.store(`${name}/kernel`, [positions, pooled], { type: 'constant', values });
    const config = {
      units: pooled,
      activation: 'linear',
      use_bias: false,
      kernel_initializer: ZEROS,
      trainable: false,
    };
    const dense = step('Dense', '', config, planes);
    const back = step('Permute', '.rows', { dims: [2, 1] }, dense);
    return step('Reshape', '.image', { target_shape: [...op.output, channels] }, back);
  }

  /** Keras's global pool has flattened already. */
  private flatten(name: string, from: Lowered<T>): T {
    if (numel(from.shape.slice(1)) === 1) return from.output;
    return this.add('Reshape', name, { target_shape: [numel(from.shape)] }, [from]);
  }

  private linear(name: string, op: Linear, from: Lowered<T>): T {
    const { module, inFeatures, outFeatures, bias } = op;
    const kernel: Copy = { type: 'copy', key: `${module}.weight`, oihw: linearOIHW(op, from) };
    this.store(`${name}/kernel`, [inFeatures, outFeatures], kernel);
    if (bias) this.store(`${name}/bias`, [outFeatures], { type: 'copy', key: `${module}.bias` });
    const config = {
      units: outFeatures,
      activation: 'linear',
      use_bias: bias,
      kernel_initializer: this.initial.kernel(inFeatures),
      bias_initializer: this.initial.bias(inFeatures),
    };
    return this.add('Dense', name, config, [from]);
  }
}

/** Whether an operation leaves features in their order. */
function keepsOrder({ type }: Op): boolean {
  return type === 'relu' || type === 'dropout';
}

const BATCH_NORM_FIELDS = [
  ['weight', 'gamma'],
  ['bias', 'beta'],
  ['running_mean', 'moving_mean'],
  ['running_var', 'moving_variance'],
] as const;

/** PyTorch flattens feature maps channels first, TensorFlow channels last. */
function linearOIHW(
  { inFeatures, outFeatures }: Linear,
  { flattened }: { flattened?: Shape | undefined },
): OIHW {
  const [channels = 0, height = 1, width = 1] = flattened ?? [];
  const mapped = channels * height * width === inFeatures;
  return mapped ? [outFeatures, channels, height, width] : [outFeatures, inFeatures, 1, 1];
}

/** Whether PyTorch's padding leaves the size as it is along one axis, as `same` does. */
function keepsSize({ kernel, stride, padding }: Conv2d, axis: number): boolean {
  return stride[axis] === 1 && kernel[axis] === 2 * (padding[axis] as number) + 1;
}

function constant(values: readonly number[]): Recipe {
  return { type: 'constant', values: () => Float32Array.from(values) };
}

function windows(
  side: 'kernel_size' | 'pool_size',
  kernel: Pair,
  strides: Pair,
  padding: 'same' | 'valid',
): LayerConfig {
  return { [side]: kernel, strides, padding, data_format: 'channels_last' };
}

function noLayer(name: string, what: string): Pth2tfjsError {
  return new Pth2tfjsError('unsupported', `${name} is ${what}, which no Keras layer does`);
}
