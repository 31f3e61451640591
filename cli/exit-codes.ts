import type { ErrorCode } from '../src/errors.js';

/** Exit codes, as the README documents them. */
export const EXIT = { ok: 0, checkFailed: 1, badInput: 2, interrupted: 130 } as const;

/** The exit code for an error: 1 when a check failed, 2 for bad usage, input or output. */
export function exitCodeFor(code: ErrorCode): number {
  if (code === 'mapping') return EXIT.checkFailed;
  return code === 'interrupted' ? EXIT.interrupted : EXIT.badInput;
}
