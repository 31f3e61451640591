import { Pth2tfjsError } from '../../base/errors.js';
import type { DType } from './dtype.js';

/** The types that float32 numbers are written in. */
export const FLOAT_DTYPES = ['float32', 'float16', 'bfloat16', 'float64'] as const;
export type FloatDType = (typeof FLOAT_DTYPES)[number];

/**
 * Numbers in another floating-point type, rounded to the nearest as PyTorch does, half to even; what was
 * read from that type comes back bit for bit, NaNs as NaNs.
 */
export function fromFloat32(values: Float32Array, dtype: DType): ArrayBufferView {
  if (dtype === 'float32') return values;
  if (dtype === 'float64') return new Float64Array(values);
  const words = new Uint32Array(values.slice().buffer);
  if (dtype === 'float16') return rounded(words, toHalf);
  if (dtype === 'bfloat16') return rounded(words, toBfloat16);
  throw new Pth2tfjsError('usage', `float32 numbers cannot be written as ${dtype}`);
}

/** A loop, since `Uint16Array.from` takes five times as long. */
function rounded(words: Uint32Array, round: (word: number) => number): Uint16Array {
  const out = new Uint16Array(words.length);
  for (let i = 0; i < words.length; i++) out[i] = round(words[i] as number);
  return out;
}

/** A float32's bits as those of the nearest half, half to even. */
export function toHalf(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const exponent = ((word >>> 23) & 0xff) - 127;
  if (exponent === 128) return sign | 0x7c00 | ((word & 0x7fffff) === 0 ? 0 : 0x200);
  if (exponent >= -14) return sign | Math.min(0x7c00, normalHalf(word & 0x7fffffff));
  // Subnormal halves lose a bit for each step below the least normal exponent.
  const dropped = -1 - exponent;
  if (dropped > 24) return sign;
  const mantissa = (word & 0x7fffff) | 0x800000;
  const kept = mantissa >>> dropped;
  const rest = mantissa - kept * 2 ** dropped;
  const half = 2 ** (dropped - 1);
  const up = rest > half || (rest === half && kept % 2 === 1) ? 1 : 0;
  return sign | (kept + up);
}

/** Where no bits are lost but the lowest 13; a carry counts one exponent, as it should. */
function normalHalf(magnitude: number): number {
  const odd = (magnitude >>> 13) & 1;
  return (magnitude - (112 << 23) + 0xfff + odd) >>> 13;
}

function toBfloat16(word: number): number {
  if ((word & 0x7fffffff) > 0x7f800000) return (word >>> 16) | 0x40; // NaN stays NaN
  const odd = (word >>> 16) & 1;
  return ((word + 0x7fff + odd) >>> 16) & 0xffff;
}
