import { Pth2tfjsError } from '../../base/errors.js';
import { convRecipes, type Recipe, type StoredTensor } from '../../network/plan.js';
import { isGlobalPool } from '../../network/shapes.js';
import type { Graph } from '../../network/trace.js';
import type {
  AdaptiveAvgPool2d,
  Affine,
  BatchNorm,
  Conv2d,
  Linear,
  MaxPool2d,
  Value,
  Window,
} from '../../network/value.js';
import { type Normalization, pixelScale } from '../pixels.js';
import type { OnnxGraph, OnnxNode } from './graph.js';

/**
 * A network's graph as ONNX nodes. Both think alike: NCHW, OIHW, PyTorch's padding; so each operation is one
 * node. Nodes are named after the torch modules that they stand for, and what a node gives after the module
 * that gives the same in PyTorch. Source of the operators: docs/Operators.md of the ONNX repository.
 */

const INPUT = 'input';
const LOGITS = 'logits';
/** The number of images, which is free. */
const BATCH = 'N';

/**
 * Describes the ONNX graph of a network. Input `input`: float32 NCHW `[N, 3, height, width]`, normalised, or with
 * `pixels` uint8 NHWC `[N, height, width, 3]`. Output `logits`: `[N, classes]`.
 * @param pixels how to normalise them, where the model takes pixels
 * @throws Pth2tfjsError `unsupported` for what is not written yet
 */
export function describeOnnx(graph: Graph, pixels?: Normalization): OnnxGraph {
  const lowering = new Lowering(graph, pixels);
  for (const value of graph.values) lowering.lower(value);
  const [logits] = graph.outputs as readonly [Value];
  const [channels = 0, ...sides] = graph.input.shape;
  return {
    nodes: lowering.nodes,
    input:
      pixels === undefined
        ? { name: INPUT, type: 'float32', shape: [BATCH, channels, ...sides] }
        : { name: INPUT, type: 'uint8', shape: [BATCH, ...sides, channels] },
    output: { name: LOGITS, type: 'float32', shape: [BATCH, ...logits.shape] },
    tensors: lowering.tensors,
  };
}

class Lowering {
  readonly nodes: OnnxNode[] = [];
  readonly tensors: StoredTensor[] = [];
  private readonly outputs = new Map<Value, string>();
  private readonly logits: Value | undefined;

  constructor(
    graph: Graph,
    private readonly pixels: Normalization | undefined,
  ) {
    this.logits = graph.outputs[0];
  }

  lower(value: Value): void {
    const output = value === this.logits ? LOGITS : value.path;
    this.outputs.set(value, this.node(value, output));
  }

  /** Gives the name of what it computes: `output`, but for the input. */
  private node(value: Value, output: string): string {
    const { op, path, from } = value;
    const inputs = from.map((each) => this.outputs.get(each) as string);
    const [input = ''] = inputs;
    switch (op.type) {
      case 'input':
        return this.pixels === undefined ? INPUT : this.normalize(this.pixels);
      case 'affine':
        return this.affine(path, op, input, output);
      case 'conv2d':
        return this.conv(path, op, input, output);
      case 'batchNorm2d':
        return this.batchNorm(op, input, output, value.shape);
      case 'relu':
        return this.add('Relu', path, inputs, output);
      case 'maxPool2d':
        return this.maxPool(value, op, input, output);
      case 'adaptiveAvgPool2d':
        return this.adaptiveAvgPool(path, op, input, output);
      case 'cat':
        return this.add('Concat', path, inputs, output, { axis: 1 });
      case 'flatten':
        return this.add('Flatten', path, inputs, output, { axis: 1 });
      case 'linear':
        return this.linear(path, op, input, output);
      default:
        throw noNode(path, `a ${op.type}`);
    }
  }

  private add(
    op: string,
    name: string,
    inputs: readonly string[],
    output: string,
    attributes: OnnxNode['attributes'] = {},
  ): string {
    this.nodes.push({ op, name, inputs, output, attributes });
    return output;
  }

  /** Adds a tensor to what is stored; gives its name. */
  private store(name: string, shape: readonly number[], recipe: Recipe): string {
    this.tensors.push({ name, shape, recipe });
    return name;
  }

  /** A number per channel. */
  private perChannel(name: string, numbers: readonly number[]): string {
    const values = () => Float32Array.from(numbers);
    return this.store(name, [numbers.length, 1, 1], { type: 'constant', values });
  }

  /** Pixels to what torchvision's preset gives, or to [-1, 1] with transform_input. */
  private normalize(pixels: Normalization): string {
    const name = 'normalize';
    this.add('Transpose', `${name}.nchw`, [INPUT], `${name}.nchw`, { perm: [0, 3, 1, 2] });
    this.add('Cast', `${name}.float`, [`${name}.nchw`], `${name}.float`, { to: FLOAT });
    return this.scale(name, pixelScale(pixels), `${name}.float`, name);
  }

  private affine(name: string, op: Affine, input: string, output: string): string {
    return this.scale(name, op, input, output);
  }

  private scale(
    name: string,
    { scale, offset }: Pick<Affine, 'scale' | 'offset'>,
    input: string,
    output: string,
  ): string {
    const factors = this.perChannel(`${name}.scale`, scale);
    const offsets = this.perChannel(`${name}.offset`, offset);
    this.add('Mul', `${name}.mul`, [input, factors], `${name}.mul`);
    return this.add('Add', name, [`${name}.mul`, offsets], output);
  }

  private conv(path: string, op: Conv2d, input: string, output: string): string {
    const { module, groups, activation, batchNorm } = op;
    const inputs = [input, ...this.storeConv(path, op)];
    const attributes = { ...windows(op), ...(groups === 1 ? {} : { group: groups }) };
    if (activation === undefined) return this.add('Conv', path, inputs, output, attributes);
    const convolved = batchNorm?.module ?? module;
    this.add('Conv', module, inputs, convolved, attributes);
    return this.add('Relu', path, [convolved], output);
  }

  private storeConv(path: string, op: Conv2d): readonly string[] {
    const { module, inChannels, outChannels, groups, kernel: sides } = op;
    if (op.batchNorm !== undefined && op.bias)
      throw noNode(path, 'a convolution with bias before BatchNorm');
    const { kernel, bias } = convRecipes(op);
    const shape = [outChannels, inChannels / groups, ...sides];
    const weight = this.store(`${module}.weight`, shape, kernel);
    return bias === undefined
      ? [weight]
      : [weight, this.store(`${module}.bias`, [outChannels], bias)];
  }

  private batchNorm(
    { module, eps }: BatchNorm,
    input: string,
    output: string,
    [channels = 0]: Value['shape'],
  ): string {
    const fields = ['weight', 'bias', 'running_mean', 'running_var'].map((field) => {
      const key = `${module}.${field}`;
      return this.store(key, [channels], { type: 'copy', key });
    });
    const attributes = { epsilon: { float: eps } };
    return this.add('BatchNormalization', module, [input, ...fields], output, attributes);
  }

  /**
   * `ceil_mode` is written as what it comes to for this size, padding: runtimes have differed on which windows may
   * hang over the edge, and a padded number never is the greatest.
   */
  private maxPool(
    { path, from, shape }: Value,
    op: MaxPool2d,
    input: string,
    output: string,
  ): string {
    const { kernel, stride, padding } = op;
    const [, ...sides] = from[0]?.shape ?? [];
    const [, ...windowsPerAxis] = shape;
    const behind = padding.map((before, axis) => {
      const reach = ((windowsPerAxis[axis] ?? 1) - 1) * (stride[axis] ?? 1) + (kernel[axis] ?? 1);
      return Math.max(before, reach - (sides[axis] ?? 0) - before);
    });
    const attributes = { ...windows(op), pads: [...padding, ...behind] };
    return this.add('MaxPool', path, [input], output, attributes);
  }

  private adaptiveAvgPool(
    path: string,
    op: AdaptiveAvgPool2d,
    input: string,
    output: string,
  ): string {
    if (!isGlobalPool(op)) throw noNode(path, `an adaptive pool to ${op.output.join('x')}`);
    return this.add('GlobalAveragePool', path, [input], output);
  }

  private linear(path: string, op: Linear, input: string, output: string): string {
    const { module, inFeatures, outFeatures, bias } = op;
    const copy = (field: string, shape: readonly number[]) => {
      const key = `${module}.${field}`;
      return this.store(key, shape, { type: 'copy', key });
    };
    const weight = copy('weight', [outFeatures, inFeatures]);
    const inputs = [input, weight, ...(bias ? [copy('bias', [outFeatures])] : [])];
    return this.add('Gemm', path, inputs, output, { transB: 1 });
  }
}

/** TensorProto.DataType.FLOAT. */
const FLOAT = 1;

function windows({ kernel, stride, padding }: Window) {
  return { kernel_shape: kernel, strides: stride, pads: [...padding, ...padding] };
}

function noNode(name: string, what: string): Pth2tfjsError {
  return new Pth2tfjsError('unsupported', `${name} is ${what}, which is not written to ONNX`);
}
