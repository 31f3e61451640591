/**
 * Text that is safe wherever it is shown: names come from files, and control characters among them
 * could move a cursor, break a line or turn the reading direction. They are written out, as `\x1b`.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{NChar}]/gu, (character) => {
    const code = (character.codePointAt(0) as number).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u{${code}}`;
  });
}

/** The same value with every string in it printable, names of fields included; typed arrays stay as they are. */
export function withPrintableText<T>(value: T): T {
  return convert(value) as T;
}

function convert(value: unknown): unknown {
  if (typeof value === 'string') return printable(value);
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map(convert);
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [printable(key), convert(each)]),
  );
}

/** A URL as messages may show it: without credentials, and without a query, which may hold a signature. */
export function withoutSecrets(url: string): string {
  return url
    .replace(/^([a-z][a-z0-9+.-]*:)?\/\/[^/?#]*@/i, '$1//')
    .replace(/#.*$/s, '')
    .replace(/\?.+$/s, '?...');
}
