import type { io } from '@tensorflow/tfjs-core';

/** How many bytes a tensor takes in the weight files. */
export function storedBytes({
  shape,
  quantization,
}: Pick<io.WeightsManifestEntry, 'shape' | 'quantization'>): number {
  const size = quantization === undefined ? 4 : quantization.dtype === 'uint8' ? 1 : 2;
  return shape.reduce((product, side) => product * side, size);
}
