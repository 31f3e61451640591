import type { Planes } from './planes.js';

/** A pool as PyTorch has them. */
export interface Pool {
  /** `average` divides by the pixels that a window meets, `padded-average` by those of the padding too. */
  readonly kind: 'max' | 'average' | 'padded-average' | 'norm';
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly ceil: boolean;
}

/** The size of what it gives; with `ceil_mode` no window starts beyond the padded input. */
export function pooledSize(size: number, { kernel, stride, padding, ceil }: Pool): number {
  const steps = (size + 2 * padding - kernel) / stride;
  if (!ceil) return Math.floor(steps) + 1;
  const windows = Math.ceil(steps) + 1;
  return (windows - 1) * stride >= size + padding ? windows - 1 : windows;
}

/** All of a pool's output. */
export function poolPlanes(input: Planes, pool: Pool): Planes {
  const { data, images, channels, height, width } = input;
  const [rows, columns] = [pooledSize(height, pool), pooledSize(width, pool)];
  const out = new Float32Array(images * channels * rows * columns);
  let at = 0;
  for (let plane = 0; plane < images * channels; plane++) {
    const pixels = data.subarray(plane * height * width, (plane + 1) * height * width);
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) out[at++] = poolWindow(pixels, height, width, pool, y, x);
    }
  }
  return { data: out, images, channels, height: rows, width: columns };
}

function poolWindow(
  pixels: Float32Array,
  height: number,
  width: number,
  { kind, kernel, stride, padding }: Pool,
  y: number,
  x: number,
): number {
  const [top, left] = [y * stride - padding, x * stride - padding];
  const [bottom, right] = [Math.min(top + kernel, height), Math.min(left + kernel, width)];
  let [largest, sum, squares, count] = [-Infinity, 0, 0, 0];
  for (let row = Math.max(0, top); row < bottom; row++) {
    for (let column = Math.max(0, left); column < right; column++) {
      const value = pixels[row * width + column] as number;
      largest = Math.max(largest, value);
      sum += value;
      squares += value * value;
      count++;
    }
  }
  if (kind === 'max') return largest;
  if (kind === 'norm') return Math.sqrt(squares);
  // PyTorch's divisor counts the padding, but not what ceil_mode lets hang over it.
  const [tall, wide] = [
    Math.min(top + kernel, height + padding) - top,
    Math.min(left + kernel, width + padding) - left,
  ];
  return sum / (kind === 'average' ? count : tall * wide);
}
