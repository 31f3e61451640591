import type { io } from '@tensorflow/tfjs-core';
import { Pth2tfjsError } from '../errors.js';
import {
  type Branch3Kernel,
  type ConvBlock,
  FEATURES,
  type InceptionBlock,
  inceptionBranches,
  MAX_IMAGE_SIZE,
  MIN_IMAGE_SIZE,
  type PoolBlock,
  STAGES,
} from './architecture.js';

/**
 * The inference network as a Keras model of standard layers, written as the JSON that TensorFlow.js
 * saves, so that `tf.loadLayersModel` builds it without code of ours and converting needs no
 * TensorFlow.js at all. Layout NHWC; BatchNorm is folded into the convolutions; layers are named
 * after the torch modules, `inception3a.branch1` for that BasicConv2d, `inception3a` for the
 * concatenation. Source of the format: tfjs-layers' serialization of `LayersModel`.
 */

export interface ModelOptions {
  /** Side of the square input, at least {@link MIN_IMAGE_SIZE}. */
  readonly imageSize: number;
  readonly numClasses: number;
  readonly branch3Kernel: Branch3Kernel;
  readonly transformInput: boolean;
}

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

interface Layer {
  readonly name: string;
  readonly class_name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly inbound_nodes: unknown;
}

/** Layer and channels-last output, on the way through the network. */
interface Node {
  readonly layer: string;
  /** Side of the square feature map. */
  readonly size: number;
}

/** Initial values are replaced on loading; zeros spare stock loaders from drawing random ones. */
const ZEROS = { class_name: 'Zeros', config: {} };

/**
 * Describes the model that `tf.loadLayersModel` will build.
 * Input `[batch, imageSize, imageSize, 3]`, output logits `[batch, numClasses]`.
 * @throws Pth2tfjsError `usage` for an image too small for the network.
 */
export function describeModel(options: ModelOptions): ModelDescription {
  const { imageSize, numClasses } = options;
  checkImageSize(imageSize);
  const graph = new LayerGraph();
  let node = graph.input(imageSize);
  if (options.transformInput) node = graph.transformInput(node);
  for (const stage of STAGES) {
    if (stage.type === 'conv') node = graph.conv(node, stage);
    else if (stage.type === 'pool') node = graph.pool(node, stage);
    else node = graph.inception(node, stage, options.branch3Kernel);
  }
  node = graph.add(
    'GlobalAveragePooling2D',
    'avgpool',
    { data_format: 'channels_last' },
    [node],
    1,
  );
  node = graph.dense(node, 'fc', FEATURES, numClasses);
  return { topology: graph.toJSON('googlenet', node), weights: graph.weights };
}

/** @throws Pth2tfjsError `usage` for a size that the network cannot take. */
export function checkImageSize(imageSize: number): void {
  if (Number.isInteger(imageSize) && imageSize >= MIN_IMAGE_SIZE && imageSize <= MAX_IMAGE_SIZE)
    return;
  throw new Pth2tfjsError(
    'usage',
    `an image size of ${imageSize}; it must be a whole number from ${MIN_IMAGE_SIZE} to ${MAX_IMAGE_SIZE}`,
  );
}

class LayerGraph {
  readonly weights: WeightSpec[] = [];
  private readonly layers: Layer[] = [];

  add(
    type: string,
    name: string,
    config: Readonly<Record<string, unknown>>,
    from: readonly Node[],
    size: number,
  ): Node {
    this.layers.push({
      name,
      class_name: type,
      config: { name, trainable: true, ...config },
      inbound_nodes: from.length === 0 ? [] : [from.map(({ layer }) => [layer, 0, 0, {}])],
    });
    return { layer: name, size };
  }

  input(size: number): Node {
    const config = { batch_input_shape: [null, size, size, 3], dtype: 'float32', sparse: false };
    return this.add('InputLayer', 'input', config, [], size);
  }

  /** Scale and offset a channel, as a 1x1 depthwise convolution with bias. */
  transformInput(from: Node): Node {
    const name = 'transform_input';
    this.weights.push(
      { name: `${name}/depthwise_kernel`, shape: [1, 1, 3, 1] },
      { name: `${name}/bias`, shape: [3] },
    );
    const config = {
      ...convolution(1, 1, 'valid', 'linear'),
      depth_multiplier: 1,
      depthwise_initializer: ZEROS,
    };
    return this.add('DepthwiseConv2D', name, config, [from], from.size);
  }

  /**
   * PyTorch pads both sides alike. `same` does so only for odd kernels with stride 1; with stride 2
   * it may start one pixel off, so there the zeros are a layer of their own.
   */
  conv(from: Node, { name, inChannels, outChannels, kernel, stride, padding }: ConvBlock): Node {
    const explicit = stride > 1 && padding > 0;
    const input = explicit
      ? this.add(
          'ZeroPadding2D',
          `${name}.pad`,
          {
            padding: [
              [padding, padding],
              [padding, padding],
            ],
            data_format: 'channels_last',
          },
          [from],
          from.size + 2 * padding,
        )
      : from;
    this.weights.push(
      { name: `${name}/kernel`, shape: [kernel, kernel, inChannels, outChannels] },
      { name: `${name}/bias`, shape: [outChannels] },
    );
    const config = {
      filters: outChannels,
      ...convolution(kernel, stride, explicit || padding === 0 ? 'valid' : 'same', 'relu'),
      kernel_initializer: ZEROS,
    };
    return this.add(
      'Conv2D',
      name,
      config,
      [input],
      Math.floor((from.size + 2 * padding - kernel) / stride) + 1,
    );
  }

  /**
   * Max-pool with `ceil_mode`. Where its last window hangs over the edge by one, `same` pads just
   * there; where the windows fit, `valid` is it. Which one depends on the size alone.
   */
  pool(from: Node, { name, kernel, stride }: PoolBlock): Node {
    const padding = (from.size - kernel) % stride === 0 ? 'valid' : 'same';
    const size = Math.ceil((from.size - kernel) / stride) + 1;
    return this.add('MaxPooling2D', name, pooling(kernel, stride, padding), [from], size);
  }

  inception(from: Node, block: InceptionBlock, branch3Kernel: Branch3Kernel): Node {
    const branches = inceptionBranches(block, branch3Kernel).map((convs, i) => {
      const start =
        i === 3
          ? this.add(
              'MaxPooling2D',
              `${block.name}.branch4.0`,
              pooling(3, 1, 'same'),
              [from],
              from.size,
            )
          : from;
      return convs.reduce((node, conv) => this.conv(node, conv), start);
    });
    return this.add('Concatenate', block.name, { axis: -1 }, branches, from.size);
  }

  dense(from: Node, name: string, features: number, units: number): Node {
    this.weights.push(
      { name: `${name}/kernel`, shape: [features, units] },
      { name: `${name}/bias`, shape: [units] },
    );
    const config = {
      units,
      activation: 'linear',
      use_bias: true,
      kernel_initializer: ZEROS,
      bias_initializer: ZEROS,
    };
    return this.add('Dense', name, config, [from], 1);
  }

  toJSON(name: string, output: Node): io.ModelJSON['modelTopology'] {
    return {
      class_name: 'Model',
      config: {
        name,
        layers: this.layers,
        input_layers: [['input', 0, 0]],
        output_layers: [[output.layer, 0, 0]],
      },
      keras_version: 'tfjs-layers 4.22.0',
      backend: 'tensor_flow.js',
    };
  }
}

function convolution(
  kernel: number,
  stride: number,
  padding: 'same' | 'valid',
  activation: string,
): Record<string, unknown> {
  return {
    kernel_size: [kernel, kernel],
    strides: [stride, stride],
    padding,
    data_format: 'channels_last',
    dilation_rate: [1, 1],
    activation,
    use_bias: true,
    bias_initializer: ZEROS,
  };
}

function pooling(
  kernel: number,
  stride: number,
  padding: 'same' | 'valid',
): Record<string, unknown> {
  return {
    pool_size: [kernel, kernel],
    strides: [stride, stride],
    padding,
    data_format: 'channels_last',
  };
}
