/**
 * Pillow's bilinear, antialiased resampling of 8-bit images, bit for bit: two passes, horizontal then
 * vertical, each rounded to 8 bits, with coefficients of 22 bits. Only what a crop keeps is computed,
 * which changes nothing of it. Source: Pillow, src/libImaging/Resample.c.
 */

/** An 8-bit image, row by row, channels innermost. */
export interface PixelGrid {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  /** 3 for RGB; of RGBA the fourth is left out, as Pillow's `convert("RGB")` does. */
  readonly channels: 3 | 4;
}

/** The part of the resized image that is wanted: `size` pixels from `start` on, of `length`. */
export interface Span {
  readonly length: number;
  readonly start: number;
  readonly size: number;
}

/** Which source pixels make one pixel, and with what weights. */
interface Taps {
  readonly first: number;
  /** A plain array: once WebAssembly's memory has grown, V8 looks at each read of a typed one twice. */
  readonly weights: readonly number[];
}

const PRECISION_BITS = 32 - 8 - 2;
const ONE = 2 ** PRECISION_BITS;
// A shift gives V8 an integer to start the sums from, where a power gives it a double.
const HALF = 1 << (PRECISION_BITS - 1);

/**
 * Resizes to `columns.length` x `rows.length`, and keeps the spans.
 * @returns RGB, `[rows.size, columns.size, 3]`
 */
export function resample(image: PixelGrid, columns: Span, rows: Span): Uint8Array {
  const horizontal = tapsOf(image.width, columns);
  const vertical = tapsOf(image.height, rows);
  const top = vertical[0]?.first ?? 0;
  const last = vertical.at(-1);
  const bottom = last === undefined ? 0 : last.first + last.weights.length;
  const narrow = resampleRows(image, horizontal, top, bottom);
  return resampleColumns(narrow, columns.size * 3, vertical, top);
}

/** The taps of a span's pixels; a triangle filter, as wide as the image shrinks. */
function tapsOf(sourceLength: number, { length, start, size }: Span): Taps[] {
  const scale = sourceLength / length;
  const filterScale = Math.max(scale, 1);
  return Array.from({ length: size }, (_, at) => {
    const center = (start + at + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - filterScale + 0.5));
    const end = Math.min(sourceLength, Math.trunc(center + filterScale + 0.5));
    return { first, weights: fixedPoint(triangle(first, end, center, 1 / filterScale)) };
  });
}

/** Weights of the pixels from `first` to `end`, which sum to 1. */
function triangle(first: number, end: number, center: number, step: number): Float64Array {
  const weights = new Float64Array(end - first);
  let sum = 0;
  for (let x = 0; x < weights.length; x++) {
    const weight = Math.max(0, 1 - Math.abs((x + first - center + 0.5) * step));
    weights[x] = weight;
    sum += weight;
  }
  return sum === 0 ? weights : weights.map((weight) => weight / sum);
}

function fixedPoint(weights: Float64Array): number[] {
  return Array.from(weights, (weight) => Math.trunc(0.5 + weight * ONE));
}

/** The horizontal pass, for the rows that the vertical one reads: `[rows, columns, 3]`. */
function resampleRows(
  { data, width, channels }: PixelGrid,
  columns: readonly Taps[],
  top: number,
  bottom: number,
): Uint8Array {
  const out = new Uint8Array((bottom - top) * columns.length * 3);
  let to = 0;
  for (let y = top; y < bottom; y++) {
    for (const { first, weights } of columns) {
      let [red, green, blue] = [HALF, HALF, HALF];
      let from = (y * width + first) * channels;
      for (let x = 0; x < weights.length; x++, from += channels) {
        const weight = weights[x] as number;
        red = (red + Math.imul(data[from] as number, weight)) | 0;
        green = (green + Math.imul(data[from + 1] as number, weight)) | 0;
        blue = (blue + Math.imul(data[from + 2] as number, weight)) | 0;
      }
      out[to++] = clip8(red);
      out[to++] = clip8(green);
      out[to++] = clip8(blue);
    }
  }
  return out;
}

/** The vertical pass over rows of `stride` bytes, the first of which is row `top` of the source. */
function resampleColumns(
  rows: Uint8Array,
  stride: number,
  vertical: readonly Taps[],
  top: number,
): Uint8Array {
  const out = new Uint8Array(vertical.length * stride);
  let to = 0;
  for (const { first, weights } of vertical) {
    const start = (first - top) * stride;
    for (let x = 0; x < stride; x++) {
      let sum = HALF;
      let from = start + x;
      for (let row = 0; row < weights.length; row++, from += stride) {
        sum = (sum + Math.imul(rows[from] as number, weights[row] as number)) | 0;
      }
      out[to++] = clip8(sum);
    }
  }
  return out;
}

/** Sums stay below 2^31, since weights sum to 1 and pixels are 8 bits. */
function clip8(sum: number): number {
  return Math.min(255, Math.max(0, sum >> PRECISION_BITS));
}
