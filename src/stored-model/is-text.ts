/**
 * Weights hold bytes that no text has, nearly always within the first few. A short text may stand before the
 * zeros of a file that was made as long as the weights would be.
 */
export function isText(bytes: Uint8Array): boolean {
  const head = bytes.subarray(0, 64);
  const end = head.indexOf(0);
  const padded = end >= 8 && head.subarray(end).every((byte) => byte === 0);
  if (head.length === 0 || (end >= 0 && !padded)) return false;
  const text = padded ? head.subarray(0, end) : head;
  return !NO_TEXT.test(new TextDecoder().decode(text, { stream: true }));
}

/** Control characters, and what stands for bytes that are no UTF-8. */
const NO_TEXT = /[^\P{Cc}\t\n\v\f\r]|\ufffd/u;
