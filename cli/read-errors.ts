import { getSystemErrorMap } from 'node:util';
import { Pth2tfjsError } from '../src/errors.js';

/** Such as `connection refused (ECONNREFUSED)`. */
export function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const known = [...getSystemErrorMap().values()].find(([name]) => name === code);
  const words = known?.[1] ?? message;
  if (code === undefined || words.includes(code)) return words;
  // TLS errors come as several lines of OpenSSL internals.
  return words.length > 100 ? code : `${words} (${code})`;
}

export function tooLarge(what: string, size: number, maxBytes: number): Pth2tfjsError {
  const text = `${what} has at least ${size} bytes, more than the limit of ${maxBytes}`;
  return new Pth2tfjsError('limit', text, { hint: 'check that this is the right file' });
}

export function allocate(what: string, size: number): Uint8Array {
  try {
    return new Uint8Array(size);
  } catch (cause) {
    throw new Pth2tfjsError('limit', `no memory for the ${size} bytes of ${what}`, { cause });
  }
}
