import { roundToHalf } from '../numbers/half.js';

/** Rounds each value in a copy, as arithmetic of a lower precision would. */
export type Round = (values: Float32Array) => Float32Array;

/** A precision lower than float32, and how values come to it. */
export interface Rounding {
  readonly name: 'float16' | 'bfloat16' | 'tf32';
  readonly round: Round;
  /** Bits of mantissa, the leading one not counted. */
  readonly bits: number;
}

/** IEEE half: 10 bits of mantissa, subnormal below 2^-14, infinite from 65520 on. */
export const FLOAT16: Rounding = { name: 'float16', round: roundToHalf, bits: 10 };

/** float32 with 7 bits of mantissa. */
export const BFLOAT16: Rounding = { name: 'bfloat16', round: toNearest(7), bits: 7 };

/** float32 with 10 bits of mantissa: what tensor cores make of the inputs of a product. */
export const TF32: Rounding = { name: 'tf32', round: toNearest(10), bits: 10 };

/** The same with the rest cut off, as tensor cores do with numbers that nobody rounded for them. */
export const TF32_CUT: Rounding = { name: 'tf32', round: cut, bits: 10 };

function cut(values: Float32Array): Float32Array {
  const words = new Uint32Array(values.slice().buffer).map((word) => (word >>> 13) << 13);
  return new Float32Array(words.buffer);
}

/** Whether every value already is one of that precision. */
export function isOnGrid(values: Float32Array, { round }: Rounding): boolean {
  const rounded = round(values);
  return values.every((value, i) => value === rounded[i]);
}

/** Whether `values` are `source` rounded to that precision, to either neighbour. */
export function isRoundedFrom(
  values: Float32Array,
  source: Float32Array,
  rounding: Rounding,
): boolean {
  const step = 2 ** -rounding.bits;
  const close = values.every((value, i) => {
    const exact = source[i] as number;
    return Math.abs(value - exact) <= step * Math.abs(exact) + HALF_STEP;
  });
  return close && isOnGrid(values, rounding);
}

/** Rounds the mantissa to this many bits, half to even. */
function toNearest(bits: number): Round {
  const dropped = 23 - bits;
  const half = 2 ** (dropped - 1) - 1;
  return (values) => {
    const words = new Uint32Array(values.slice().buffer);
    for (let i = 0; i < words.length; i++) {
      const word = words[i] as number;
      const odd = (word >>> dropped) & 1;
      words[i] = ((word + half + odd) >>> dropped) << dropped;
    }
    return new Float32Array(words.buffer);
  };
}

/** How far apart half's subnormal numbers are. */
const HALF_STEP = 2 ** -24;
