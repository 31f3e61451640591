/** IEEE half precision: a sign, 5 bits of exponent, 10 of mantissa. */

/** From here on, numbers round to infinity. */
export const HALF_OVERFLOW = 65520;

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

const float32 = new Float32Array(1);
const word = new Uint32Array(float32.buffer);

/** The number that a half's sixteen bits stand for. By way of its bits, since powers take ten times as long. */
export function fromHalf(half: number): number {
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0) return mantissa * (half & 0x8000 ? -(2 ** -24) : 2 ** -24);
  const rebased = exponent === 31 ? 255 : exponent + 112;
  word[0] = ((half & 0x8000) << 16) | (rebased << 23) | (mantissa << 13);
  return float32[0] as number;
}

/** Each value as the nearest half. */
export function roundToHalf(values: Float32Array): Float32Array {
  const words = new Uint32Array(values.slice().buffer);
  const rounded = new Float32Array(words.length);
  for (let i = 0; i < words.length; i++) rounded[i] = fromHalf(toHalf(words[i] as number));
  return rounded;
}
