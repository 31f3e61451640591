import type { Planes, Position } from './planes.js';

/** What lies beyond the edge: PyTorch's `padding_mode`. */
export type Border = 'zeros' | 'reflect' | 'replicate' | 'circular';

/** How a convolution's windows lie. */
export interface Windows {
  readonly kernel: number;
  readonly stride: number;
  /** Zeros before the first pixel; after the last one there are as many as are needed. */
  readonly padding: number;
  readonly dilation: number;
  readonly border: Border;
}

/**
 * A convolution without bias at some of its output's positions, summed in float64.
 * @param kernel HWIO
 * @returns `[positions, outChannels]`
 */
export function convolveAt(
  input: Planes,
  kernel: Float32Array,
  windows: Windows,
  positions: readonly Position[],
): Float64Array {
  const taps = windows.kernel ** 2 * input.channels;
  const outChannels = kernel.length / taps;
  const out = new Float64Array(positions.length * outChannels);
  const patch = new Float64Array(taps);
  const places = new Int32Array(taps);
  for (const [row, position] of positions.entries()) {
    readPatch(input, windows, position, patch);
    const count = leaveOutZeros(patch, places);
    const sums = out.subarray(row * outChannels, (row + 1) * outChannels);
    addProducts(sums, kernel, patch, places, count);
  }
  return out;
}

/** Moves what is not zero to the front, and notes where it was; after ReLU half of the values are. */
function leaveOutZeros(patch: Float64Array, places: Int32Array): number {
  let count = 0;
  for (let tap = 0; tap < patch.length; tap++) {
    const value = patch[tap] as number;
    if (value === 0) continue;
    patch[count] = value;
    places[count++] = tap;
  }
  return count;
}

/** One tap after the other, four in one pass over the sums: most of the time of a diagnosis goes by here. */
function addProducts(
  sums: Float64Array,
  kernel: Float32Array,
  values: Float64Array,
  places: Int32Array,
  count: number,
): void {
  const channels = sums.length;
  const at = (k: number) => (places[k] as number) * channels;
  let k = 0;
  for (; k + 3 < count; k += 4) {
    const [p, q, r, s] = [at(k), at(k + 1), at(k + 2), at(k + 3)];
    const [a, b] = [values[k] as number, values[k + 1] as number];
    const [c, d] = [values[k + 2] as number, values[k + 3] as number];
    for (let o = 0; o < channels; o++) {
      const two =
        (sums[o] as number) + a * (kernel[p + o] as number) + b * (kernel[q + o] as number);
      sums[o] = two + c * (kernel[r + o] as number) + d * (kernel[s + o] as number);
    }
  }
  for (; k < count; k++) {
    const [from, value] = [at(k), values[k] as number];
    for (let o = 0; o < channels; o++) {
      sums[o] = (sums[o] as number) + value * (kernel[from + o] as number);
    }
  }
}

/** What one window sees, in the order of HWI. */
export function readPatch(
  input: Planes,
  { kernel, stride, padding, dilation, border }: Windows,
  { image, y, x }: Position,
  patch: Float64Array,
): void {
  const { data, channels, height, width } = input;
  let at = 0;
  for (let ky = 0; ky < kernel; ky++) {
    const row = indexAt(y * stride - padding + ky * dilation, height, border);
    for (let kx = 0; kx < kernel; kx++) {
      const column = indexAt(x * stride - padding + kx * dilation, width, border);
      const outside = row < 0 || column < 0;
      for (let c = 0; c < channels; c++) {
        patch[at++] = outside
          ? 0
          : (data[((image * channels + c) * height + row) * width + column] as number);
      }
    }
  }
}

/** The pixel that stands for one beyond the edge; -1 for a zero. */
function indexAt(index: number, size: number, border: Border): number {
  if (index >= 0 && index < size) return index;
  if (border === 'replicate') return index < 0 ? 0 : size - 1;
  if (border === 'circular') return (index + size) % size;
  if (border === 'reflect') {
    const mirrored = index < 0 ? -index : 2 * (size - 1) - index;
    return mirrored >= 0 && mirrored < size ? mirrored : -1;
  }
  return -1;
}

/** The size of what a convolution or a pool gives. */
export function outputSize(
  size: number,
  { kernel, stride, padding, dilation }: Omit<Windows, 'border'>,
): number {
  return Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
}
