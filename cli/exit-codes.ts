import type { ErrorCode } from '../src/errors.js';

/** Exit codes, as the README documents them. A signal ends the process with 128 + its number. */
export const EXIT = { checkFailed: 1, badInput: 2, internal: 70 } as const;

/** The exit code for an error: 1 when a check failed, 2 for bad usage, input or output. */
export function exitCodeFor(code: ErrorCode): number {
  return code === 'mapping' || code === 'no-gpu' ? EXIT.checkFailed : EXIT.badInput;
}
