/** Rounds each value in a copy, as arithmetic of a lower precision would. */
export type Round = (values: Float32Array) => Float32Array;

/** A precision lower than float32, and how values come to it. */
export interface Rounding {
  readonly name: 'float16' | 'bfloat16' | 'tf32';
  readonly round: Round;
}

/** IEEE half: 10 bits of mantissa, subnormal below 2^-14, infinite from 65520 on. */
export const FLOAT16: Rounding = { name: 'float16', round: (values) => values.map(toFloat16) };

/** float32 with 7 bits of mantissa. */
export const BFLOAT16: Rounding = { name: 'bfloat16', round: toNearest(7) };

/** float32 with 10 bits of mantissa: what tensor cores make of the inputs of a product. */
export const TF32: Rounding = { name: 'tf32', round: toNearest(10) };

/** The same with the rest cut off, as tensor cores do with numbers that nobody rounded for them. */
export const TF32_CUT: Rounding = { name: 'tf32', round: cut };

function cut(values: Float32Array): Float32Array {
  const words = new Uint32Array(values.slice().buffer).map((word) => (word >>> 13) << 13);
  return new Float32Array(words.buffer);
}

/** Whether every value already is one of that precision. */
export function isOnGrid(values: Float32Array, { round }: Rounding): boolean {
  const rounded = round(values);
  return values.every((value, i) => value === rounded[i]);
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

const SMALLEST_NORMAL = 2 ** -14;
/** Float32 numbers of this size are 2^-24 apart, as half's subnormals are. */
const SUBNORMAL_RULER = 0.75;
const roundTo10Bits = toNearest(10);
const one = new Float32Array(1);

function toFloat16(value: number): number {
  if (Math.abs(value) < SMALLEST_NORMAL) {
    return Math.fround(Math.fround(value + SUBNORMAL_RULER) - SUBNORMAL_RULER);
  }
  one[0] = value;
  const rounded = roundTo10Bits(one)[0] as number;
  return Math.abs(rounded) > 65504 ? Math.sign(rounded) * Infinity : rounded;
}
