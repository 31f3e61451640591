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
