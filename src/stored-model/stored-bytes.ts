import type { io } from '@tensorflow/tfjs-core';
import { sliceOf } from '../base/bytes.js';

/** Bytes of an element in the weight files; of a string its length alone. Source: tfjs-core, io/types.ts. */
const SIZES = { float32: 4, int32: 4, bool: 1, complex64: 8, string: 4 } as const;
const QUANTIZED_SIZES = { uint8: 1, uint16: 2, float16: 2 } as const;

/** The dtypes that a weights manifest can have. */
export const STORED_DTYPES = Object.keys(SIZES) as readonly (keyof typeof SIZES)[];

/** How many bytes a tensor takes in the weight files; one of strings at least. */
export function storedBytes({
  shape,
  dtype,
  quantization,
}: Pick<io.WeightsManifestEntry, 'shape' | 'dtype' | 'quantization'>): number {
  const size = quantization === undefined ? SIZES[dtype] : QUANTIZED_SIZES[quantization.dtype];
  return shape.reduce((product, side) => product * side, size);
}

/**
 * Each tensor with its bytes, in memory of their own.
 * @param parts all that the weight files hold, one after the other
 */
export function* readTensors(
  specs: readonly io.WeightsManifestEntry[],
  parts: readonly Uint8Array[],
): Generator<readonly [io.WeightsManifestEntry, Uint8Array<ArrayBuffer>]> {
  let at = 0;
  for (const spec of specs) {
    const end = at + storedBytes(spec);
    yield [spec, sliceOf(parts, at, end)];
    at = end;
  }
}
