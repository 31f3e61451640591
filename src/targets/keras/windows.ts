import { outputShape } from '../../network/shapes.js';
import type { MaxPool2d, Shape } from '../../network/value.js';

/**
 * Keras's padding for a max-pool of this input: `valid` where the windows fit, `same` where what it pads is
 * what PyTorch's padding and `ceil_mode` come to; undefined where neither is.
 */
export function poolPadding(op: MaxPool2d, input: Shape): 'valid' | 'same' | undefined {
  const [, ...output] = outputShape(op, [input]);
  const axes = input.slice(1).map((side, axis) => axisPadding(op, axis, side, output[axis] ?? 0));
  if (axes.every(({ valid }) => valid)) return 'valid';
  return axes.every(({ same }) => same) ? 'same' : undefined;
}

function axisPadding(
  { kernel, stride, padding }: MaxPool2d,
  axis: number,
  side: number,
  output: number,
) {
  const [k, s, p] = [kernel, stride, padding].map((pair) => pair[axis] as number) as Triple;
  const fits = Math.floor((side - k) / s) + 1;
  const covered = Math.ceil(side / s);
  const added = Math.max(0, (covered - 1) * s + k - side);
  return {
    valid: p === 0 && output === fits,
    same: output === covered && p === Math.floor(added / 2),
  };
}

type Triple = [kernel: number, stride: number, padding: number];
