import type { io } from '@tensorflow/tfjs-core';
import { fromHalf } from '../numbers/half.js';
import type { ModelFormat } from '../targets/formats.js';

/**
 * TensorFlow.js's quantization of stored weights, which its loaders take back to float32 by themselves:
 * float16, or integers with `value = q * scale + min` for a whole tensor. Source: `decodeWeight` in
 * tfjs-core, src/io/io_utils.ts; that zero should stay zero, from tensorflowjs, quantization.py.
 */

export const QUANTIZATIONS = ['float16', 'uint16', 'uint8'] as const;

/** How weights are stored in less than float32. */
export type Quantization = (typeof QUANTIZATIONS)[number];

/** Those that a format has. */
export function quantizationsFor(format: ModelFormat): readonly Quantization[] {
  return format === 'onnx' ? ['float16'] : QUANTIZATIONS;
}

/** What the weights manifest says of a tensor that is stored so. */
export type QuantizationSpec = NonNullable<io.WeightsManifestEntry['quantization']>;

/**
 * The values that a loader makes of stored ones.
 * @param bytes as they lie in the weight files, little-endian
 */
export function dequantize(bytes: Uint8Array, spec: QuantizationSpec): Float32Array {
  const { dtype, scale = 1, min = 0 } = spec;
  const size = dtype === 'uint8' ? 1 : 2;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Float32Array(bytes.length / size);
  for (let i = 0; i < values.length; i++) {
    const q = size === 1 ? view.getUint8(i) : view.getUint16(i * 2, true);
    values[i] = dtype === 'float16' ? fromHalf(q) : q * scale + min;
  }
  return values;
}
