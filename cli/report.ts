import { extname } from 'node:path';
import { printable } from '../src/base/printable.js';
import {
  formatReport,
  type ReportFormat,
  type ReportOptions,
  verdict,
} from '../src/verify/report/format-report.js';
import type { Verification } from '../src/verify/verification.js';
import { EXIT } from './exit-codes.js';
import { asFlags, withFlags } from './flags.js';
import { reportToGitHub } from './github.js';
import { usageError } from './input.js';
import { writeWhole } from './write-file.js';

/** Where a verification is reported, besides GitHub's own places. */
export interface ReportTargets {
  /** What goes to stdout; null for nothing. */
  readonly stdout: ReportFormat | null;
  readonly files: readonly { readonly path: string; readonly format: ReportFormat }[];
}

const FORMAT_BY_EXTENSION: Readonly<Record<string, ReportFormat>> = {
  '.txt': 'table',
  '.json': 'json',
  '.xml': 'junit',
  '.md': 'markdown',
  '.html': 'html',
};

/**
 * With files, the report goes there, and the table to stdout for the log; without, it goes to stdout.
 * @param format as asked for; else the extension of each file tells
 */
export function reportTargets(
  format: ReportFormat | undefined,
  paths: readonly string[],
  quiet: boolean,
): ReportTargets {
  const files = paths.map((path) => {
    const chosen = format ?? FORMAT_BY_EXTENSION[extname(path).toLowerCase()];
    if (chosen !== undefined) return { path, format: chosen };
    throw usageError(
      `--output ${path}: its ending tells no format; take ${Object.keys(FORMAT_BY_EXTENSION).join(', ')}, or pass --report`,
    );
  });
  if (files.length > 0) return { stdout: quiet ? null : 'table', files };
  const machine = format !== undefined && format !== 'table';
  return { stdout: quiet && !machine ? null : (format ?? 'table'), files };
}

/** Reports, and sets the exit code. */
export async function deliver(
  found: Verification,
  { stdout, files }: ReportTargets,
  shown: ReportOptions,
): Promise<void> {
  const verification = withFlags(found);
  const options = { ...withFlags(shown), word: asFlags };
  for (const { path, format } of files) {
    await writeWhole(path, `${formatReport(verification, format, options)}\n`, { force: true });
  }
  if (stdout !== null) process.stdout.write(`${formatReport(verification, stdout, options)}\n`);
  await reportToGitHub(verification, process.env, (text) => process.stderr.write(text));
  if (verification.passed) return;
  process.exitCode = EXIT.checkFailed;
  process.stderr.write(`pth2tfjs: ${printable(verdict(verification))}\n`);
}
