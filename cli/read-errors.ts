import { getSystemErrorMap } from 'node:util';

/** Such as `connection refused (ECONNREFUSED)`. */
export function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const known = [...getSystemErrorMap().values()].find(([name]) => name === code);
  const words = known?.[1] ?? message;
  if (code === undefined || words.includes(code)) return words;
  // TLS errors come as several lines of OpenSSL internals.
  return words.length > 100 ? code : `${words} (${code})`;
}
