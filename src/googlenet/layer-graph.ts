import type { io } from '@tensorflow/tfjs-core';
import type { ConvBlock, PoolBlock } from './architecture.js';

/**
 * The standard Keras layers that the network is made of, NHWC, with PyTorch's padding. Where they go is
 * left open: into the JSON of a model, or into TensorFlow.js itself. Source of the names and options:
 * tfjs-layers' serialization of `LayersModel`.
 */

/** A weight of the model: its name in model.json, and its shape. */
export interface WeightSpec {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The layer graph, and the weights it wants, in the order in which they are stored. */
export interface ModelDescription {
  readonly topology: io.ModelJSON['modelTopology'];
  readonly weights: readonly WeightSpec[];
}

/** A layer's output, on the way through the network. */
export interface Node {
  /** Side of the square feature map. */
  readonly size: number;
}

export type LayerConfig = Readonly<Record<string, unknown>>;

/** Where the first values of a weight come from, in Keras's terms. */
export interface Initializer {
  readonly class_name: string;
  readonly config: LayerConfig;
}

/** How the weights of a layer start whose every output sums `fanIn` products. */
export interface Initializers {
  kernel(fanIn: number): Initializer;
  bias(fanIn: number): Initializer;
}

const ZEROS: Initializer = { class_name: 'Zeros', config: {} };

/** For weights that loading replaces; it spares stock loaders from drawing random ones. */
const REPLACED: Initializers = { kernel: () => ZEROS, bias: () => ZEROS };

/** What a convolution has besides its kernel. */
interface ConvOptions {
  /** The layer's name; default: the block's. */
  readonly name?: string;
  readonly useBias: boolean;
  readonly activation: 'linear' | 'relu';
}

export abstract class LayerGraph<T extends Node> {
  readonly weights: WeightSpec[] = [];

  constructor(private readonly initial: Initializers = REPLACED) {}

  /** Adds a layer of a Keras class; `size` is the side of what it gives. */
  abstract add(
    type: string,
    name: string,
    config: LayerConfig,
    from: readonly T[],
    size: number,
  ): T;

  input(size: number): T {
    const config = { batch_input_shape: [null, size, size, 3], dtype: 'float32', sparse: false };
    return this.add('InputLayer', 'input', config, [], size);
  }

  /** Scale and offset a channel, as a 1x1 depthwise convolution with bias; no training changes it. */
  transformInput(from: T): T {
    const name = 'transform_input';
    this.weights.push(
      { name: `${name}/depthwise_kernel`, shape: [1, 1, 3, 1] },
      { name: `${name}/bias`, shape: [3] },
    );
    const config = {
      ...windows('kernel_size', 1, 1, 'valid'),
      dilation_rate: [1, 1],
      activation: 'linear',
      use_bias: true,
      bias_initializer: ZEROS,
      depth_multiplier: 1,
      depthwise_initializer: ZEROS,
      trainable: false,
    };
    return this.add('DepthwiseConv2D', name, config, [from], from.size);
  }

  /**
   * PyTorch pads both sides alike. `same` does so only for odd kernels with stride 1; with stride 2
   * it may start one pixel off, so there the zeros are a layer of their own.
   */
  conv(from: T, block: ConvBlock, { name = block.name, useBias, activation }: ConvOptions): T {
    const { inChannels, outChannels, kernel, stride, padding } = block;
    const explicit = stride > 1 && padding > 0;
    const input = explicit ? this.pad(from, `${block.name}.pad`, padding) : from;
    this.weights.push({ name: `${name}/kernel`, shape: [kernel, kernel, inChannels, outChannels] });
    if (useBias) this.weights.push({ name: `${name}/bias`, shape: [outChannels] });
    const fanIn = inChannels * kernel ** 2;
    const config = {
      filters: outChannels,
      ...windows('kernel_size', kernel, stride, explicit || padding === 0 ? 'valid' : 'same'),
      dilation_rate: [1, 1],
      activation,
      use_bias: useBias,
      bias_initializer: this.initial.bias(fanIn),
      kernel_initializer: this.initial.kernel(fanIn),
    };
    const size = Math.floor((from.size + 2 * padding - kernel) / stride) + 1;
    return this.add('Conv2D', name, config, [input], size);
  }

  private pad(from: T, name: string, padding: number): T {
    const sides = [padding, padding];
    const config = { padding: [sides, sides], data_format: 'channels_last' };
    return this.add('ZeroPadding2D', name, config, [from], from.size + 2 * padding);
  }

  /** @param momentum PyTorch's: the share of the new statistics; Keras's is the share of the old */
  batchNorm(from: T, name: string, channels: number, epsilon: number, momentum: number): T {
    for (const field of ['gamma', 'beta', 'moving_mean', 'moving_variance']) {
      this.weights.push({ name: `${name}/${field}`, shape: [channels] });
    }
    const config = { axis: -1, momentum: 1 - momentum, epsilon, center: true, scale: true };
    return this.add('BatchNormalization', name, config, [from], from.size);
  }

  relu(from: T, name: string): T {
    return this.add('Activation', name, { activation: 'relu' }, [from], from.size);
  }

  /**
   * Max-pool with `ceil_mode`. Where its last window hangs over the edge by one, `same` pads just
   * there; where the windows fit, `valid` is it. Which one depends on the size alone.
   */
  maxPool(from: T, { name, kernel, stride }: PoolBlock): T {
    const padding = (from.size - kernel) % stride === 0 ? 'valid' : 'same';
    const size = Math.ceil((from.size - kernel) / stride) + 1;
    const config = windows('pool_size', kernel, stride, padding);
    return this.add('MaxPooling2D', name, config, [from], size);
  }

  /** branch4's pool: 3x3, stride 1, padding 1. */
  maxPoolSameSize(from: T, name: string): T {
    return this.add('MaxPooling2D', name, windows('pool_size', 3, 1, 'same'), [from], from.size);
  }

  /** By channel. */
  concatenate(from: readonly T[], name: string): T {
    return this.add('Concatenate', name, { axis: -1 }, from, (from[0] as T).size);
  }

  globalAveragePool(from: T, name: string): T {
    const config = { data_format: 'channels_last' };
    return this.add('GlobalAveragePooling2D', name, config, [from], 1);
  }

  /**
   * nn.AdaptiveAvgPool2d for any size. Its windows overlap, and their sizes vary, where `target` does not
   * divide the size, which no pooling layer does; but each output is a sum of inputs with fixed weights, so
   * a dense layer over the positions, one a channel, is it. No training changes those weights.
   */
  adaptiveAveragePool(from: T, name: string, target: number, channels: number): T {
    const [positions, pooled] = [from.size ** 2, target ** 2];
    const rows = this.reshape(from, `${name}.flatten`, [positions, channels], from.size);
    const planes = this.permute(rows, `${name}.planes`, from.size);
    this.weights.push({ name: `${name}/kernel`, shape: [positions, pooled] });
    const config = {
      units: pooled,
      activation: 'linear',
      use_bias: false,
      kernel_initializer: ZEROS,
      trainable: false,
    };
    const dense = this.add('Dense', name, config, [planes], target);
    const back = this.permute(dense, `${name}.rows`, target);
    return this.reshape(back, `${name}.image`, [target, target, channels], target);
  }

  reshape(from: T, name: string, shape: readonly number[], size: number): T {
    return this.add('Reshape', name, { target_shape: shape }, [from], size);
  }

  /** Swaps the two dimensions after the batch. */
  private permute(from: T, name: string, size: number): T {
    return this.add('Permute', name, { dims: [2, 1] }, [from], size);
  }

  dropout(from: T, name: string, rate: number): T {
    return this.add('Dropout', name, { rate }, [from], from.size);
  }

  dense(from: T, name: string, features: number, units: number): T {
    this.weights.push(
      { name: `${name}/kernel`, shape: [features, units] },
      { name: `${name}/bias`, shape: [units] },
    );
    const config = {
      units,
      activation: 'linear',
      use_bias: true,
      kernel_initializer: this.initial.kernel(features),
      bias_initializer: this.initial.bias(features),
    };
    return this.add('Dense', name, config, [from], 1);
  }
}

function windows(
  side: 'kernel_size' | 'pool_size',
  kernel: number,
  stride: number,
  padding: 'same' | 'valid',
): LayerConfig {
  return {
    [side]: [kernel, kernel],
    strides: [stride, stride],
    padding,
    data_format: 'channels_last',
  };
}

export interface JSONNode extends Node {
  readonly layer: string;
}

/** Writes the layers down, as `tf.loadLayersModel` reads them. */
export class JSONGraph extends LayerGraph<JSONNode> {
  private readonly layers: object[] = [];

  add(
    type: string,
    name: string,
    config: LayerConfig,
    from: readonly JSONNode[],
    size: number,
  ): JSONNode {
    this.layers.push({
      name,
      class_name: type,
      config: { name, trainable: true, ...config },
      inbound_nodes: from.length === 0 ? [] : [from.map(({ layer }) => [layer, 0, 0, {}])],
    });
    return { layer: name, size };
  }

  describe(outputs: readonly JSONNode[]): ModelDescription {
    const topology = {
      class_name: 'Model',
      config: {
        name: 'googlenet',
        layers: this.layers,
        input_layers: [['input', 0, 0]],
        output_layers: outputs.map(({ layer }) => [layer, 0, 0]),
      },
      keras_version: 'tfjs-layers 4.22.0',
      backend: 'tensor_flow.js',
    };
    return { topology, weights: this.weights };
  }
}
