/**
 * Text that is safe on a terminal: a file chooses the names of its keys and entries, and control
 * characters among them could move the cursor, recolour or retitle the window.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (character) => {
    const code = (character.codePointAt(0) as number).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u{${code}}`;
  });
}
