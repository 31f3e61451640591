import { Pth2tfjsError } from '../base/errors.js';
import { option } from '../base/option.js';
import { HALF_OVERFLOW, toHalf } from '../numbers/half.js';
import type { Quantization, QuantizationSpec } from './quantization.js';

export interface Quantized {
  readonly bytes: Uint8Array;
  readonly spec: QuantizationSpec;
}

/**
 * Rounds the values of one tensor to the nearest that the storage has.
 * @throws Pth2tfjsError `unsupported` for values that it has not: infinite ones, no numbers, and for
 *   float16 those beyond 65504
 */
export function quantize(name: string, values: Float32Array, dtype: Quantization): Quantized {
  const limit = dtype === 'float16' ? HALF_OVERFLOW : Infinity;
  const bad = firstBeyond(values, limit);
  if (bad !== undefined) {
    throw new Pth2tfjsError('unsupported', `${name} holds ${bad}, which ${dtype} cannot store`, {
      hint: `convert without ${option('quantization')}`,
    });
  }
  return dtype === 'float16' ? toFloat16(values) : toIntegers(values, dtype);
}

/** Here and below, loops: over millions of values the methods of arrays take several times as long. */
function firstBeyond(values: Float32Array, limit: number): number | undefined {
  for (let i = 0; i < values.length; i++) {
    if (!(Math.abs(values[i] as number) < limit)) return values[i];
  }
  return undefined;
}

function toIntegers(values: Float32Array, dtype: 'uint8' | 'uint16'): Quantized {
  const size = dtype === 'uint8' ? 1 : 2;
  const top = 2 ** (8 * size) - 1;
  const { scale, min } = rangeOf(values, top);
  const bytes = new Uint8Array(values.length * size);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) {
    const q = Math.min(top, Math.max(0, Math.round(((values[i] as number) - min) / scale)));
    if (size === 1) bytes[i] = q;
    else view.setUint16(i * 2, q, true);
  }
  return { bytes, spec: { dtype, scale, min } };
}

/** Scale and least value of finite values; where both signs occur, zero falls on a whole number. */
function rangeOf(values: Float32Array, top: number): { scale: number; min: number } {
  let [least, most] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  if (values.length === 0 || least === most) return { scale: 1, min: values[0] ?? 0 };
  if (least >= 0 || most <= 0) return { scale: (most - least) / top, min: least };
  const zero = Math.min(top - 1, Math.max(1, Math.round((-least / (most - least)) * top)));
  const scale = Math.max(-least / zero, most / (top - zero));
  return { scale, min: -zero * scale };
}

function toFloat16(values: Float32Array): Quantized {
  const bytes = new Uint8Array(values.length * 2);
  const view = new DataView(bytes.buffer);
  const words = new Uint32Array(values.slice().buffer);
  for (let i = 0; i < words.length; i++) view.setUint16(i * 2, toHalf(words[i] as number), true);
  return { bytes, spec: { dtype: 'float16' } };
}
