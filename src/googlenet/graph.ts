import { Pth2tfjsError } from '../errors.js';
import type { InputKind } from '../formats.js';
import type { Constant } from '../tfjs/artifacts.js';
import type { LayerJSON } from '../tfjs/editable-model.js';
import type { WeightSpec } from './layer-graph.js';
import { describeModel, type ModelOptions } from './model.js';
import { IMAGENET_MEAN, IMAGENET_STD, TRANSFORM_INPUT } from './preprocess.js';

/**
 * The inference network as a frozen TensorFlow graph, as `tf.loadGraphModel` reads it: the layers of the
 * layers model, node by node under the same names, convolutions with bias and ReLU in one. Source of
 * the format: TensorFlow's GraphDef as JSON, and tfjs-converter's operations/op_list.
 */

export interface GraphDescription {
  readonly topology: object;
  readonly signature: object;
  /** The network's weights, in the order in which they are stored. */
  readonly weights: readonly WeightSpec[];
  /** Stored after them. */
  readonly constants: readonly Constant[];
}

interface Node {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr: Readonly<Record<string, object>>;
}

/**
 * Describes the graph that `tf.loadGraphModel` will run. Input `input`: `[batch, imageSize, imageSize, 3]`,
 * float32, or for `pixels` int32, which is how TensorFlow.js holds bytes. Output `logits`:
 * `[batch, numClasses]`.
 * @throws Pth2tfjsError `usage` for an image too small for the network
 */
export function describeGraph(options: ModelOptions, input: InputKind): GraphDescription {
  const pixels = input === 'pixels';
  // transform_input goes into the same multiplication and addition as the normalisation.
  const transformInput = options.transformInput && !pixels;
  const { topology, weights } = describeModel({ ...options, transformInput });
  const { layers } = (topology as { config: { layers: LayerJSON[] } }).config;
  const graph = new Graph();
  for (const { name, shape } of weights) graph.weight(name, shape);
  const shape = [-1, options.imageSize, options.imageSize, 3];
  graph.placeholder('input', pixels ? 'DT_INT32' : 'DT_FLOAT', shape);
  if (pixels) graph.normalize('input', options.transformInput);
  for (const layer of layers.slice(1)) graph.layer(layer, pixels);
  const output = layers.at(-1)?.name as string;
  const signature = {
    inputs: { input: tensorInfo('input', pixels ? 'DT_INT32' : 'DT_FLOAT', shape) },
    outputs: { logits: tensorInfo(output, 'DT_FLOAT', [-1, options.numClasses]) },
  };
  const { nodes, constants } = graph;
  const versions = { producer: 1087 };
  return { topology: { node: nodes, library: {}, versions }, signature, weights, constants };
}

const NORMALIZED = 'normalized';

class Graph {
  readonly nodes: Node[] = [];
  readonly constants: Constant[] = [];

  weight(name: string, shape: readonly number[]): void {
    this.const(name, shape, 'DT_FLOAT');
  }

  placeholder(name: string, type: string, shape: readonly number[]): void {
    this.add(name, 'Placeholder', [], { dtype: { type }, shape: { shape: shapeOf(shape) } });
  }

  /** Pixels to what torchvision's preset gives, or to [-1, 1] with transform_input. */
  normalize(from: string, transformInput: boolean): void {
    const { scale, offset } = normalization(transformInput);
    const types = { SrcT: { type: 'DT_INT32' }, DstT: { type: 'DT_FLOAT' } };
    this.add('pixels', 'Cast', [from], types);
    const scaleName = this.constant(`${NORMALIZED}/scale`, [3], 'float32', scale);
    const offsetName = this.constant(`${NORMALIZED}/offset`, [3], 'float32', offset);
    this.add(`${NORMALIZED}/scaled`, 'Mul', ['pixels', scaleName], FLOAT);
    this.add(NORMALIZED, 'AddV2', [`${NORMALIZED}/scaled`, offsetName], FLOAT);
  }

  /** One layer as one node, of the same name. */
  layer({ name, class_name, config, inbound_nodes }: LayerJSON, pixels: boolean): void {
    const from = (inbound_nodes[0] ?? []).map(([input]) =>
      pixels && input === 'input' ? NORMALIZED : input,
    );
    const write = LAYERS[class_name];
    if (write === undefined) {
      throw new Pth2tfjsError('unsupported', `the layer ${name} is a ${class_name}`);
    }
    write(this, name, from, config);
  }

  add(name: string, op: string, input: readonly string[], attr: Node['attr']): void {
    this.nodes.push({ name, op, ...(input.length === 0 ? {} : { input }), attr });
  }

  /** Adds a constant that is stored with the weights; gives its name. */
  constant(
    name: string,
    shape: readonly number[],
    dtype: Constant['dtype'],
    values: readonly number[],
  ): string {
    this.const(name, shape, dtype === 'int32' ? 'DT_INT32' : 'DT_FLOAT');
    this.constants.push({ name, shape, dtype, values });
    return name;
  }

  private const(name: string, shape: readonly number[], type: string): void {
    const value = { tensor: { dtype: type, tensorShape: shapeOf(shape) } };
    this.add(name, 'Const', [], { dtype: { type }, value });
  }
}

type WriteLayer = (
  graph: Graph,
  name: string,
  from: readonly string[],
  config: LayerJSON['config'],
) => void;

/** How each kind of layer that describeModel uses becomes a node. */
const LAYERS: Readonly<Record<string, WriteLayer>> = {
  DepthwiseConv2D: (graph, name, from, config) => {
    const inputs = [...from, `${name}/depthwise_kernel`, `${name}/bias`];
    const attributes = { ...windows(config), ...UNDILATED, ...fused('BiasAdd') };
    graph.add(name, 'FusedDepthwiseConv2dNative', inputs, attributes);
  },
  ZeroPadding2D: (graph, name, from, config) => {
    const sides = [[0, 0], ...(config.padding as number[][]), [0, 0]];
    const paddings = graph.constant(`${name}/paddings`, [4, 2], 'int32', sides.flat());
    graph.add(name, 'Pad', [...from, paddings], { ...FLOAT, Tpaddings: { type: 'DT_INT32' } });
  },
  Conv2D: (graph, name, from, config) => {
    const inputs = [...from, `${name}/kernel`, `${name}/bias`];
    const attributes = { ...windows(config), ...UNDILATED, ...fused('BiasAdd', 'Relu') };
    graph.add(name, '_FusedConv2D', inputs, attributes);
  },
  MaxPooling2D: (graph, name, from, config) => {
    const ksize = list(['1', ...(config.pool_size as number[]).map(String), '1']);
    graph.add(name, 'MaxPool', from, { ...windows(config), ksize });
  },
  Concatenate: (graph, name, from) => {
    const axis = graph.constant(`${name}/axis`, [], 'int32', [3]);
    const attributes = { ...FLOAT, N: { i: String(from.length) }, Tidx: { type: 'DT_INT32' } };
    graph.add(name, 'ConcatV2', [...from, axis], attributes);
  },
  GlobalAveragePooling2D: (graph, name, from) => {
    const axes = graph.constant(`${name}/axes`, [2], 'int32', [1, 2]);
    const attributes = { ...FLOAT, keep_dims: { b: false }, Tidx: { type: 'DT_INT32' } };
    graph.add(name, 'Mean', [...from, axes], attributes);
  },
  Dense: (graph, name, from) => {
    const inputs = [...from, `${name}/kernel`, `${name}/bias`];
    const transposes = { transpose_a: { b: false }, transpose_b: { b: false } };
    graph.add(name, '_FusedMatMul', inputs, { ...FLOAT, ...transposes, ...fused('BiasAdd') });
  },
};

/** int64 is text in protobuf's JSON, and bytes are base64. */
const list = (i: readonly string[]) => ({ list: { i } });
const text = (s: string) => ({ s: btoa(s) });

const FLOAT = { T: { type: 'DT_FLOAT' } };
const UNDILATED = { dilations: list(['1', '1', '1', '1']) };

function windows({ strides, padding }: LayerJSON['config']): Node['attr'] {
  return {
    ...FLOAT,
    strides: list(['1', ...(strides as number[]).map(String), '1']),
    padding: text(String(padding).toUpperCase()),
    data_format: text('NHWC'),
  };
}

/** The bias is the one argument beside input and kernel. */
function fused(...operations: readonly string[]): Node['attr'] {
  return {
    fused_ops: { list: { s: operations.map((name) => btoa(name)) } },
    num_args: { i: '1' },
    epsilon: { f: 0 },
  };
}

function shapeOf(shape: readonly number[]): object {
  return { dim: shape.map((size) => ({ size: String(size) })) };
}

function tensorInfo(name: string, dtype: string, shape: readonly number[]): object {
  return { name: `${name}:0`, dtype, tensorShape: shapeOf(shape) };
}

/** From pixels in 0 to 255 straight to the network's input: `x * scale + offset` a channel. */
function normalization(transformInput: boolean): { scale: number[]; offset: number[] } {
  const channels = IMAGENET_MEAN.map((mean, c) => {
    const std = IMAGENET_STD[c] as number;
    const [scale, offset] = [1 / (255 * std), -mean / std];
    if (!transformInput) return { scale, offset };
    const [factor, shift] = [
      TRANSFORM_INPUT.scale[c] as number,
      TRANSFORM_INPUT.offset[c] as number,
    ];
    return { scale: scale * factor, offset: offset * factor + shift };
  });
  return {
    scale: channels.map(({ scale }) => scale),
    offset: channels.map(({ offset }) => offset),
  };
}
