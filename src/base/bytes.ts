/** Whether this machine stores the low byte of a number first, as nearly all do. */
export const HOST_IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The parts one after the other, in memory of their own. */
export function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** What lies from `start` to `end` of parts that follow each other, in memory of its own. */
export function sliceOf(
  parts: readonly Uint8Array[],
  start: number,
  end: number,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(end - start);
  let at = 0;
  for (const part of parts) {
    const [from, to] = [Math.max(start, at), Math.min(end, at + part.length)];
    if (from < to) out.set(part.subarray(from - at, to - at), from - start);
    at += part.length;
  }
  return out;
}

/** Numbers one after the other. */
export function concatenateFloats(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const bytes = parts.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  return new Float32Array(concatenate(bytes).buffer);
}

/** Lowercase hexadecimal digits. */
export function toHex(bytes: Uint8Array, separator = ''): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(separator);
}
