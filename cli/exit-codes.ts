import type { ErrorCode } from '../src/base/errors.js';

/** Exit codes, as docs/cli.md documents them. A signal ends the process with 128 + its number. */
export const EXIT = { checkFailed: 1, badInput: 2, internal: 70 } as const;

const CHECKS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['mapping', 'no-gpu', 'parity']);

/** The exit code for an error: 1 when a check failed, 2 for bad usage, input or output. */
export function exitCodeFor(code: ErrorCode): number {
  return CHECKS.has(code) ? EXIT.checkFailed : EXIT.badInput;
}
