/** Little-endian unsigned integers as bytes, to be spread into a record. */

export function u16(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff];
}

export function u32(value: number): number[] {
  return [...u16(value), ...u16(value >>> 16)];
}

/** For values that a double holds. */
export function u64(value: number): number[] {
  return [...u32(value), ...u32(Math.floor(value / 2 ** 32))];
}
