import { Pth2tfjsError } from '../../base/errors.js';
import { toHalf } from '../../numbers/half.js';
import type { DType } from './dtype.js';

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

function toBfloat16(word: number): number {
  if ((word & 0x7fffffff) > 0x7f800000) return (word >>> 16) | 0x40; // NaN stays NaN
  const odd = (word >>> 16) & 1;
  return ((word + 0x7fff + odd) >>> 16) & 0xffff;
}
