import { toFloat32 } from '../../checkpoint/tensor/float32.js';
import type { StateDict } from '../../checkpoint/tensor/tensor.js';
import { foldBatchNorm } from '../../network/plan.js';
import type { AdaptiveAvgPool2d, BatchNorm, Conv2d, Linear, Value } from '../../network/value.js';

/** A few of PyTorch's operations in evaluation mode, in float64, on one image; channels first. */

type Numbers = ArrayLike<number>;

/** The rest of a network from some value on. */
export interface Part {
  /** What it starts from. */
  readonly input: Value;
  /** In the order of running. */
  readonly values: readonly Value[];
}

/**
 * Runs a part of a network.
 * @param input channels first
 * @returns the last value; null for an operation that is not known here
 */
export function runPart(
  { input: start, values }: Part,
  stateDict: StateDict,
  input: Numbers,
): Numbers | null {
  const done = new Map<Value, Numbers>([[start, input]]);
  let last: Numbers | null = input;
  for (const value of values) {
    const from = value.from.map((each) => done.get(each));
    last = from[0] === undefined ? null : runOne(value, stateDict, from[0]);
    if (last === null) return null;
    done.set(value, last);
  }
  return last;
}

function runOne({ op, from }: Value, stateDict: StateDict, x: Numbers): Numbers | null {
  const tensor = (key: string) => toFloat32(stateDict.get(key) as never);
  const [channels = 0] = from[0]?.shape ?? [];
  switch (op.type) {
    case 'adaptiveAvgPool2d':
      return adaptivePool(op, x, channels);
    case 'conv2d':
      return pointwise(op, tensor, x);
    case 'batchNorm2d':
      return normalize(op, tensor, x, channels);
    case 'linear':
      return linear(op, tensor, x);
    case 'relu':
      return Float64Array.from(x, (value) => Math.max(0, value));
    case 'flatten':
    case 'dropout':
      return x;
    default:
      return null;
  }
}

type Read = (key: string) => Float32Array;

/** Windows may overlap. The map is square, of whatever size. */
function adaptivePool({ output }: AdaptiveAvgPool2d, x: Numbers, channels: number): Float64Array {
  const size = Math.sqrt(x.length / channels);
  const [rows, columns] = output;
  const span = (i: number, to: number) =>
    [Math.floor((i * size) / to), Math.ceil(((i + 1) * size) / to)] as const;
  return Float64Array.from({ length: channels * rows * columns }, (_, at) => {
    const [column, row] = [at % columns, Math.floor(at / columns) % rows];
    const plane = Math.floor(at / (rows * columns)) * size * size;
    const [[top, bottom], [left, right]] = [span(row, rows), span(column, columns)];
    let sum = 0;
    for (let y = top; y < bottom; y++) {
      for (let i = left; i < right; i++) sum += x[plane + y * size + i] as number;
    }
    return sum / ((bottom - top) * (right - left));
  });
}

/** A convolution of 1x1; null for others. */
function pointwise(op: Conv2d, tensor: Read, x: Numbers): Float64Array | null {
  const plain = op.groups === 1 && !op.bias && String([op.kernel, op.stride]) === '1,1,1,1';
  if (!plain) return null;
  const kernel = tensor(`${op.module}.weight`);
  const area = x.length / op.inChannels;
  return Float64Array.from({ length: op.outChannels * area }, (_, at) => {
    const [o, p] = [Math.floor(at / area), at % area];
    let sum = 0;
    for (let i = 0; i < op.inChannels; i++) {
      sum += (kernel[o * op.inChannels + i] as number) * (x[i * area + p] as number);
    }
    return sum;
  });
}

function normalize(
  { module, eps }: BatchNorm,
  tensor: Read,
  x: Numbers,
  channels: number,
): Float64Array {
  const [gamma, beta, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map(
    (field) => tensor(`${module}.${field}`),
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const { scale, offset } = foldBatchNorm(gamma, beta, mean, variance, eps);
  const area = x.length / channels;
  return Float64Array.from(x, (value, i) => {
    const c = Math.floor(i / area);
    return value * (scale[c] as number) + (offset[c] as number);
  });
}

/** As many outputs as the state dict has. */
function linear({ module, bias }: Linear, tensor: Read, x: Numbers): Float64Array {
  const weight = tensor(`${module}.weight`);
  const offsets = bias ? tensor(`${module}.bias`) : undefined;
  return Float64Array.from({ length: weight.length / x.length }, (_, row) => {
    let sum = 0;
    for (let i = 0; i < x.length; i++) {
      sum += (weight[row * x.length + i] as number) * (x[i] as number);
    }
    return sum + (offsets?.[row] ?? 0);
  });
}
