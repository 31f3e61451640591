import { numel } from '../numbers/shape.js';
import type { AdaptiveAvgPool2d, MaxPool2d, Op, Pair, Shape, Value, Window } from './value.js';

/** What PyTorch's operations make of shapes. */

/** The shape that an operation gives for one image; sizes below 1 where the image is too small for it. */
export function outputShape(op: Op, inputs: readonly Shape[]): Shape {
  const [first = []] = inputs;
  const [channels = 0, ...sides] = first;
  switch (op.type) {
    case 'conv2d':
      return [op.outChannels, ...sides.map((side, axis) => convolvedSize(side, op, axis))];
    case 'maxPool2d':
      return [channels, ...sides.map((side, axis) => pooledSize(side, op, axis))];
    case 'adaptiveAvgPool2d':
      return [channels, ...op.output];
    case 'linear':
      return [op.outFeatures];
    case 'flatten':
      return [numel(first)];
    case 'cat':
      return [inputs.reduce((sum, [size = 0]) => sum + size, 0), ...sides];
    case 'custom':
      return op.shape(first);
    default:
      return first;
  }
}

function convolvedSize(side: number, { kernel, stride, padding }: Window, axis: number): number {
  const [k, s, p] = [kernel, stride, padding].map((pair) => pair[axis] as number) as Triple;
  return Math.floor((side + 2 * p - k) / s) + 1;
}

/** With `ceil_mode` the last window may hang over the edge, but must start before it. */
function pooledSize(side: number, op: MaxPool2d, axis: number): number {
  const { kernel, stride, padding, ceilMode } = op;
  const [k, s, p] = [kernel, stride, padding].map((pair) => pair[axis] as number) as Triple;
  const steps = (side + 2 * p - k) / s;
  if (!ceilMode) return Math.floor(steps) + 1;
  const windows = Math.ceil(steps) + 1;
  return (windows - 1) * s >= side + p ? windows - 1 : windows;
}

type Triple = [kernel: number, stride: number, padding: number];

/** Products that are summed: those of convolutions and linear layers, as hooks count them in PyTorch. */
export function multiplyAccumulates({ op, shape }: Pick<Value, 'op' | 'shape'>): number {
  if (op.type === 'linear') return op.inFeatures * op.outFeatures;
  if (op.type !== 'conv2d') return 0;
  const products = (op.inChannels / op.groups) * numel(op.kernel);
  return products * numel(shape);
}

export function pair(size: number | Pair): Pair {
  return typeof size === 'number' ? [size, size] : size;
}

export function isGlobalPool({ output }: AdaptiveAvgPool2d): boolean {
  return numel(output) === 1;
}
