/** PyTorch's layouts and TensorFlow's, one into the other. */

/** The sides of a kernel in PyTorch's order. A linear weight is a kernel of 1x1. */
export type OIHW = readonly [out: number, into: number, height: number, width: number];

/** Kernels from PyTorch's layout into TensorFlow's. */
export function toHWIO(
  source: Float32Array,
  oihw: OIHW,
  target = new Float32Array(source.length),
): Float32Array {
  scaleToHWIO(source, oihw, new Float64Array(oihw[0]).fill(1), target);
  return target;
}

/** Output channels that are read beside each other: their lines stay in the cache until they are used up. */
const BLOCK = 32;

/**
 * The same, each output channel times a factor. Most of a conversion's time is spent here: four channels in
 * a row keep the sums, each of which waits for the one before, from waiting for each other.
 * @returns whether all that was written is finite
 */
export function scaleToHWIO(
  source: Float32Array,
  [out, into, height, width]: OIHW,
  scale: Float64Array,
  target: Float32Array,
): boolean {
  const area = height * width;
  const filter = into * area;
  const factor = (o: number) => scale[o] as number;
  // Zero times anything finite is zero; infinities and NaN give NaN, which then stays.
  let [sum0, sum1, sum2, sum3] = [0, 0, 0, 0];
  for (let first = 0; first < out; first += BLOCK) {
    const end = Math.min(out, first + BLOCK);
    for (let i = 0; i < into; i++) {
      for (let p = 0; p < area; p++) {
        let from = first * filter + i * area + p;
        let to = (p * into + i) * out + first;
        let o = first;
        for (; o + 3 < end; o += 4, from += 4 * filter, to += 4) {
          const value0 = Math.fround((source[from] as number) * factor(o));
          const value1 = Math.fround((source[from + filter] as number) * factor(o + 1));
          const value2 = Math.fround((source[from + 2 * filter] as number) * factor(o + 2));
          const value3 = Math.fround((source[from + 3 * filter] as number) * factor(o + 3));
          target[to] = value0;
          target[to + 1] = value1;
          target[to + 2] = value2;
          target[to + 3] = value3;
          sum0 += value0 * 0;
          sum1 += value1 * 0;
          sum2 += value2 * 0;
          sum3 += value3 * 0;
        }
        for (; o < end; o++, from += filter, to++) {
          const value = Math.fround((source[from] as number) * factor(o));
          target[to] = value;
          sum0 += value * 0;
        }
      }
    }
  }
  return sum0 + sum1 + sum2 + sum3 === 0;
}

/**
 * Kernels that keep PyTorch's layout, each output channel times a factor.
 * @returns whether all that was written is finite
 */
export function scaleOIHW(
  source: Float32Array,
  scale: Float64Array,
  target: Float32Array,
): boolean {
  const filter = source.length / scale.length;
  let sum = 0;
  for (let o = 0, i = 0; o < scale.length; o++) {
    const factor = scale[o] as number;
    for (const end = i + filter; i < end; i++) {
      const value = Math.fround((source[i] as number) * factor);
      target[i] = value;
      sum += value * 0;
    }
  }
  return sum === 0;
}

/** Kernels from TensorFlow's layout into PyTorch's. */
export function toOIHW(source: Float32Array, [out, into, height, width]: OIHW): Float32Array {
  const area = height * width;
  const target = new Float32Array(source.length);
  for (let o = 0; o < out; o++) {
    for (let i = 0; i < into; i++) {
      for (let p = 0; p < area; p++) {
        target[(o * into + i) * area + p] = source[(p * into + i) * out + o] as number;
      }
    }
  }
  return target;
}

/** Channels last to channels first; `[n, features]` stays. */
export function toNCHW(values: Float32Array, shape: readonly number[]): Float32Array {
  return permute(values, shape[0] as number, shape.slice(1, -1), shape.at(-1) as number, true);
}

/** Channels first `[n, c, …]` to channels last. */
export function toNHWC(values: Float32Array, shape: readonly number[]): Float32Array {
  return permute(values, shape[0] as number, shape.slice(2), shape[1] as number, false);
}

function permute(
  values: Float32Array,
  images: number,
  spatial: readonly number[],
  channels: number,
  toFirst: boolean,
): Float32Array {
  const pixels = spatial.reduce((a, b) => a * b, 1);
  const out = new Float32Array(values.length);
  for (let image = 0; image < images; image++) {
    const start = image * pixels * channels;
    for (let c = 0; c < channels; c++) {
      let last = start + c;
      const end = start + (c + 1) * pixels;
      for (let first = start + c * pixels; first < end; first++, last += channels) {
        if (toFirst) out[first] = values[last] as number;
        else out[last] = values[first] as number;
      }
    }
  }
  return out;
}
