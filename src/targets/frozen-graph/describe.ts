import { Pth2tfjsError } from '../../base/errors.js';
import type { StoredTensor } from '../../network/plan.js';
import type { Graph as NetworkGraph } from '../../network/trace.js';
import type { Value } from '../../network/value.js';
import type { Constant } from '../constant.js';
import type { KerasLayer, LayerConfig } from '../keras/graph.js';
import { describeKeras } from '../keras/lower.js';
import { type Channels, type Normalization, pixelScale } from '../pixels.js';

/**
 * A network as a frozen TensorFlow graph, as `tf.loadGraphModel` reads it: the layers of the layers model,
 * node by node under the same names, convolutions with bias and ReLU in one. Source of the format:
 * TensorFlow's GraphDef as JSON, and tfjs-converter's operations/op_list.
 */

export interface GraphDescription {
  readonly topology: object;
  readonly signature: object;
  /** The network's weights, in the order in which they are stored. */
  readonly tensors: readonly StoredTensor[];
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
 * Describes the graph that `tf.loadGraphModel` will run. Input `input`: `[batch, height, width, 3]`, float32,
 * or with `pixels` int32, which is how TensorFlow.js holds bytes. Output `logits`: `[batch, classes]`.
 * @param pixels how to normalise them, where the model takes pixels
 */
export function describeFrozen(network: NetworkGraph, pixels?: Normalization): GraphDescription {
  const { layers, tensors } = describeKeras(network, '');
  const graph = new Graph();
  for (const { name, shape } of tensors) graph.weight(name, shape);
  const type = pixels === undefined ? 'DT_FLOAT' : 'DT_INT32';
  const [channels, ...sides] = network.input.shape;
  const shape = [-1, ...sides, channels ?? 0];
  graph.placeholder('input', type, shape);
  if (pixels !== undefined) graph.normalize('input', pixelScale(pixels));
  for (const layer of layers.slice(1)) graph.layer(layer, pixels !== undefined);
  const [logits] = network.outputs as readonly [Value];
  const signature = {
    inputs: { input: tensorInfo('input', type, shape) },
    outputs: { logits: tensorInfo(logits.path, 'DT_FLOAT', [-1, ...logits.shape]) },
  };
  const { nodes, constants } = graph;
  const versions = { producer: 1087 };
  return { topology: { node: nodes, library: {}, versions }, signature, tensors, constants };
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
  normalize(from: string, { scale, offset }: Channels): void {
    const types = { SrcT: { type: 'DT_INT32' }, DstT: { type: 'DT_FLOAT' } };
    this.add('pixels', 'Cast', [from], types);
    const scaleName = this.constant(`${NORMALIZED}/scale`, [3], 'float32', scale);
    const offsetName = this.constant(`${NORMALIZED}/offset`, [3], 'float32', offset);
    this.add(`${NORMALIZED}/scaled`, 'Mul', ['pixels', scaleName], FLOAT);
    this.add(NORMALIZED, 'AddV2', [`${NORMALIZED}/scaled`, offsetName], FLOAT);
  }

  /** One layer as one node, of the same name. */
  layer({ name, class_name, config, inbound_nodes }: KerasLayer, pixels: boolean): void {
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
  config: LayerConfig,
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

function windows({ strides, padding }: LayerConfig): Node['attr'] {
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
