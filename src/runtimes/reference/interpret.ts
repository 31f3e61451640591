import { Pth2tfjsError } from '../../base/errors.js';
import type { Graph } from '../../network/trace.js';
import type {
  AdaptiveAvgPool2d,
  Affine,
  BatchNorm,
  MaxPool2d,
  Shape,
  Value,
} from '../../network/value.js';
import { numel } from '../../numbers/shape.js';
import { type Arithmetic, arrayOf, convolve, type Numbers } from './convolve.js';
import type { Floats } from './multiply.js';
import type { Parameters } from './parameters.js';

/** Sees what each value of the graph is: channels, height and width, or features. */
export type ValueVisitor = (value: Value, numbers: Floats) => void;

/**
 * Runs a graph on one image as PyTorch does in evaluation mode, in plain TypeScript: slow, and the same
 * everywhere.
 * @param image NCHW without the N, as the graph's input has it
 * @returns the logits
 * @throws Pth2tfjsError `unsupported` for a caller's own layers
 */
export function interpret(
  graph: Graph,
  parameters: Parameters,
  image: Floats,
  arithmetic: Arithmetic,
  visit: ValueVisitor = () => undefined,
): Floats {
  const results = new Map<Value, Floats>();
  const readers = new Map<Value, number>();
  for (const { from } of graph.values) {
    for (const each of from) readers.set(each, (readers.get(each) ?? 0) + 1);
  }
  const read = (value: Value): Floats => {
    const left = (readers.get(value) ?? 0) - 1;
    readers.set(value, left);
    const numbers = results.get(value) as Floats;
    if (left === 0) results.delete(value);
    return numbers;
  };
  const [logits] = graph.outputs as readonly [Value];
  readers.set(logits, Infinity);
  for (const value of graph.values) {
    const numbers =
      value.op.type === 'input'
        ? arrayOf(arithmetic, image)
        : compute(value, value.from.map(read), parameters, arithmetic);
    visit(value, numbers);
    results.set(value, numbers);
  }
  return results.get(logits) as Floats;
}

function compute(
  { op, path, from, shape }: Value,
  inputs: readonly Floats[],
  parameters: Parameters,
  arithmetic: Arithmetic,
): Floats {
  const [input = new Float64Array()] = inputs;
  const before: Shape = from[0]?.shape ?? [];
  const result = () => arrayOf(arithmetic, numel(shape));
  switch (op.type) {
    case 'conv2d': {
      const { kernel, bias } = parameters.conv(op);
      const sums = convolve(
        { values: input, shape: before },
        op,
        { kernel, bias },
        shape,
        arithmetic,
      );
      return op.activation === 'relu' ? relu(sums) : sums;
    }
    case 'linear': {
      const { weight, bias } = parameters.linear(op);
      const unit = { kernel: [1, 1], stride: [1, 1], padding: [0, 0], groups: 1 } as const;
      const pixel = { values: input, shape: [op.inFeatures, 1, 1] };
      return convolve(pixel, unit, { kernel: weight, bias }, [op.outFeatures, 1, 1], arithmetic);
    }
    case 'batchNorm2d':
      return batchNorm(input, op, parameters, shape, result());
    case 'affine':
      return affine(input, op, shape, result());
    case 'relu':
      return relu(input.slice());
    case 'maxPool2d':
      return maxPool({ values: input, shape: before }, op, shape, result());
    case 'adaptiveAvgPool2d':
      return averagePool({ values: input, shape: before }, op, arithmetic, result());
    case 'cat':
      return concatenate(inputs, result());
    case 'flatten':
    case 'dropout':
    case 'input':
      return input;
    case 'custom':
      throw new Pth2tfjsError('unsupported', `${path} is a layer of the caller's own`);
  }
}

function relu(values: Floats): Floats {
  // NaN stays, as in PyTorch.
  for (let i = 0; i < values.length; i++) if ((values[i] as number) < 0) values[i] = 0;
  return values;
}

/** PyTorch's order on processors: a factor and an offset a channel first, each rounded. */
function batchNorm(
  input: Floats,
  { module, eps }: BatchNorm,
  parameters: Parameters,
  [channels = 0]: Shape,
  out: Floats,
): Floats {
  const { weight, bias, mean, variance } = parameters.batchNorm(module);
  const scale = out.slice(0, channels);
  const offset = out.slice(0, channels);
  for (let c = 0; c < channels; c++) {
    scale[c] = (weight[c] as number) / Math.sqrt((variance[c] as number) + eps);
    offset[c] = (bias[c] as number) - (mean[c] as number) * (scale[c] as number);
  }
  return scaleChannels(input, scale, offset, out);
}

function affine(input: Floats, { scale, offset }: Affine, [channels]: Shape, out: Floats): Floats {
  const rounded = (numbers: readonly number[]) => {
    const values = out.slice(0, channels);
    values.set(numbers);
    return values;
  };
  return scaleChannels(input, rounded(scale), rounded(offset), out);
}

function scaleChannels(input: Floats, scale: Floats, offset: Floats, out: Floats): Floats {
  const area = input.length / scale.length;
  for (let c = 0; c < scale.length; c++) {
    const [factor, shift] = [scale[c] as number, offset[c] as number];
    for (let i = c * area; i < (c + 1) * area; i++) out[i] = (input[i] as number) * factor + shift;
  }
  return out;
}

function maxPool({ values, shape }: Numbers, op: MaxPool2d, to: Shape, out: Floats): Floats {
  const [, height = 0, width = 0] = shape;
  const [channels = 0, rows = 0, columns = 0] = to;
  const { kernel, stride, padding } = op;
  let at = 0;
  for (let c = 0; c < channels; c++) {
    for (let row = 0; row < rows; row++) {
      const [top, bottom] = window(row * stride[0] - padding[0], kernel[0], height);
      for (let column = 0; column < columns; column++) {
        const [left, right] = window(column * stride[1] - padding[1], kernel[1], width);
        let most = -Infinity;
        for (let y = top; y < bottom; y++) {
          const line = (c * height + y) * width;
          for (let x = left; x < right; x++) {
            const value = values[line + x] as number;
            if (value > most || Number.isNaN(value)) most = value;
          }
        }
        out[at++] = most;
      }
    }
  }
  return out;
}

/** What of a window lies in the image. */
function window(start: number, size: number, side: number): [from: number, to: number] {
  return [Math.max(0, start), Math.min(side, start + size)];
}

/** PyTorch's windows: from the floor of where a cell begins to the ceiling of where it ends. */
function averagePool(
  { values, shape }: Numbers,
  { output }: AdaptiveAvgPool2d,
  arithmetic: Arithmetic,
  out: Floats,
): Floats {
  const [channels = 0, height = 0, width = 0] = shape;
  const [rows, columns] = output;
  const round = arithmetic === 'float64' ? (value: number) => value : Math.fround;
  const cell = (index: number, cells: number, side: number): [number, number] => [
    Math.floor((index * side) / cells),
    Math.ceil(((index + 1) * side) / cells),
  ];
  let at = 0;
  for (let c = 0; c < channels; c++) {
    for (let row = 0; row < rows; row++) {
      const [top, bottom] = cell(row, rows, height);
      for (let column = 0; column < columns; column++) {
        const [left, right] = cell(column, columns, width);
        let sum = 0;
        for (let y = top; y < bottom; y++) {
          for (let x = left; x < right; x++) {
            sum = round(sum + (values[(c * height + y) * width + x] as number));
          }
        }
        out[at++] = sum / ((bottom - top) * (right - left));
      }
    }
  }
  return out;
}

function concatenate(inputs: readonly Floats[], out: Floats): Floats {
  let at = 0;
  for (const input of inputs) {
    out.set(input, at);
    at += input.length;
  }
  return out;
}
