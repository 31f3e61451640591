/** PyTorch's layouts and TensorFlow's, one into the other. */

/** The sides of a kernel in PyTorch's order. A linear weight is a kernel of 1x1. */
export type OIHW = readonly [out: number, into: number, height: number, width: number];

/** Kernels from PyTorch's layout into TensorFlow's. */
export function toHWIO(source: Float32Array, [out, into, height, width]: OIHW): Float32Array {
  const area = height * width;
  const target = new Float32Array(source.length);
  for (let i = 0; i < into; i++) {
    for (let p = 0; p < area; p++) {
      for (let o = 0; o < out; o++) {
        target[(p * into + i) * out + o] = source[(o * into + i) * area + p] as number;
      }
    }
  }
  return target;
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
      for (let p = 0; p < pixels; p++) {
        const [first, last] = [start + c * pixels + p, start + p * channels + c];
        if (toFirst) out[first] = values[last] as number;
        else out[last] = values[first] as number;
      }
    }
  }
  return out;
}
