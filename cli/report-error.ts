import { isPth2tfjsError } from '../src/base/errors.js';
import { printable } from '../src/base/printable.js';
import type { MappingError } from '../src/network/mapping-error.js';
import { EXIT, exitCodeFor } from './exit-codes.js';
import { withFlags } from './flags.js';

/** What `--json` prints of an error; the lists are those of a state dict that does not fit. */
interface ErrorReport extends Partial<Pick<MappingError, 'missing' | 'unexpected' | 'mismatched'>> {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly exitCode: number;
}

/**
 * Reports what went wrong and sets the exit code: one line for people on stderr, and one object on
 * stdout for programs that asked for JSON.
 */
export function reportError(error: unknown, json: boolean): void {
  const { exitCode, ...report } = withFlags(describe(error));
  if (json) process.stdout.write(`${JSON.stringify({ error: report })}\n`);
  const line = [report.message, report.hint].filter(Boolean).join('; ');
  process.stderr.write(`pth2tfjs: ${printable(line.replace(/\s*\n\s*/g, ' '))}\n`);
  process.exitCode = exitCode;
}

function describe(error: unknown): ErrorReport {
  if (!isPth2tfjsError(error)) {
    const message = `internal error: ${String(error)}; please report it`;
    return { code: 'internal', message, exitCode: EXIT.internal };
  }
  const { code, message, hint } = error;
  const exitCode = exitCodeFor(code);
  if (!isMappingError(error)) return { code, message, hint, exitCode };
  const { missing, unexpected, mismatched } = error;
  return { code, message, hint, exitCode, missing, unexpected, mismatched };
}

/** By its code, so that the command line need not load the mapping to report a wrong path. */
function isMappingError(error: Error & { readonly code: string }): error is MappingError {
  return error.code === 'mapping' && 'missing' in error;
}
