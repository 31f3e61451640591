import type { Shape, Window } from '../../network/value.js';
import { type Floats, multiply32, multiply64 } from './multiply.js';

/**
 * What is computed in. In float32 every result and every partial sum is rounded, in one of two orders of summation:
 * channel by channel, with a kernel's pixels innermost, as with PyTorch's layout; or pixel by pixel, with the
 * channels innermost, as with TensorFlow's.
 */
export type Arithmetic = 'float64' | 'float32-nchw' | 'float32-nhwc';

/** Numbers of one image: channels, height, width. */
export interface Numbers {
  readonly values: Floats;
  readonly shape: Shape;
}

/** OIHW, and a number for each output channel. */
export interface Weights {
  readonly kernel: Floats;
  readonly bias?: Floats | undefined;
}

/** An array of as many numbers, or with these, in which results are rounded as the arithmetic wants it. */
export function arrayOf(arithmetic: Arithmetic, content: number | Floats): Floats {
  const Type = arithmetic === 'float64' ? Float64Array : Float32Array;
  return typeof content === 'number' ? new Type(content) : Type.from(content);
}

/** A convolution of one image, padded with zeros. */
export function convolve(
  input: Numbers,
  op: Window & { readonly groups: number },
  { kernel, bias }: Weights,
  [channels = 0, rows = 0, columns = 0]: Shape,
  arithmetic: Arithmetic,
): Floats {
  const { groups } = op;
  const multiply = arithmetic === 'float64' ? multiply64 : multiply32;
  const [inChannels = 0] = input.shape;
  const [into, out] = [inChannels / groups, channels / groups];
  const area = op.kernel[0] * op.kernel[1];
  const [depth, pixels] = [into * area, rows * columns];
  const even = out + (out % 2);
  const weights = arrayOf(arithmetic, even * depth);
  const tiles = arrayOf(arithmetic, Math.ceil(pixels / 4) * 4 * depth);
  const result = arrayOf(arithmetic, channels * pixels);
  const place = placesOf(into, area, arithmetic);
  for (let group = 0; group < groups; group++) {
    layWeights(kernel, group * out, out, place, weights);
    layColumns(input, group * into, into, { op, rows, columns, place, depth }, tiles);
    const product = { weights, columns: tiles, rows: even, depth, pixels };
    multiply(product, (row, pixel, sums) => {
      const last = Math.min(4, pixels - pixel);
      for (let i = 0; i < 2 && row + i < out; i++) {
        const channel = group * out + row + i;
        const shift = (bias?.[channel] as number | undefined) ?? 0;
        for (let j = 0; j < last; j++) {
          result[channel * pixels + pixel + j] = (sums[4 * i + j] as number) + shift;
        }
      }
    });
  }
  return result;
}

/** Where each pixel of a kernel stands in the order of summation, by `channel * area + position`. */
function placesOf(into: number, area: number, arithmetic: Arithmetic): Int32Array {
  const places = Int32Array.from({ length: into * area }, (_, i) => i);
  if (arithmetic !== 'float32-nhwc') return places;
  return places.map((i) => (i % area) * into + Math.floor(i / area));
}

function layWeights(
  kernel: Floats,
  first: number,
  count: number,
  place: Int32Array,
  weights: Floats,
): void {
  const depth = place.length;
  for (let o = 0; o < count; o++) {
    for (let k = 0; k < depth; k++) {
      weights[o * depth + (place[k] as number)] = kernel[(first + o) * depth + k] as number;
    }
  }
}

interface Layout {
  readonly op: Window;
  readonly rows: number;
  readonly columns: number;
  readonly place: Int32Array;
  readonly depth: number;
}

/** What each output pixel sees, four pixels beside each other; what lies in the padding is zero. */
function layColumns(
  { values, shape }: Numbers,
  first: number,
  into: number,
  { op, rows, columns, place, depth }: Layout,
  tiles: Floats,
): void {
  const [, height = 0, width = 0] = shape;
  const { kernel, stride, padding } = op;
  let k = 0;
  for (let c = first; c < first + into; c++) {
    for (let ky = 0; ky < kernel[0]; ky++) {
      for (let kx = 0; kx < kernel[1]; kx++, k++) {
        const at = 4 * (place[k] as number);
        let pixel = 0;
        for (let row = 0; row < rows; row++) {
          const y = row * stride[0] - padding[0] + ky;
          const line = (c * height + y) * width;
          const inside = y >= 0 && y < height;
          for (let column = 0; column < columns; column++, pixel++) {
            const x = column * stride[1] - padding[1] + kx;
            const seen = inside && x >= 0 && x < width;
            tiles[(pixel >> 2) * 4 * depth + at + (pixel & 3)] = seen
              ? (values[line + x] as number)
              : 0;
          }
        }
      }
    }
  }
}
