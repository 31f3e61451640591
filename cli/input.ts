import { isPth2tfjsError, Pth2tfjsError } from '../src/base/errors.js';
import { printable } from '../src/base/printable.js';
import { printableUrl } from './download.js';
import { asFlags, withFlags } from './flags.js';
import { hubHash, looksLikeDate } from './hub-hash.js';
import { terminalProgress } from './progress.js';
import { isWebURL, readSource, type Source } from './source.js';
import { STDIN } from './stdin.js';

/**
 * Reads a path, a URL or stdin, with a progress bar on a terminal unless `quiet`.
 * @param maxBytes more are refused; 1 GiB unless given
 */
export async function readInput(
  location: string,
  quiet: boolean,
  maxBytes?: number,
): Promise<Source> {
  const shown = shownName(location);
  const name = shown.slice(shown.lastIndexOf('/') + 1);
  const progress = quiet ? {} : { progress: terminalProgress(process.stderr, name) };
  return readSource(location, { ...progress, ...(maxBytes === undefined ? {} : { maxBytes }) });
}

/** What an input is called in messages; what a URL may hold of secrets is left out. */
export function shownName(location: string): string {
  if (location === STDIN) return 'stdin';
  return isWebURL(location) && URL.canParse(location) ? printableUrl(new URL(location)) : location;
}

/** Runs `work` on what a file holds, and puts the file's name before the message of what goes wrong. */
export async function inFile<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const aboutFile = isPth2tfjsError(error) && !['backend', 'no-gpu'].includes(error.code);
    if (aboutFile) error.message = `${shownName(name)}: ${error.message}`;
    throw error;
  }
}

/**
 * Compares the hash that torch hub puts into a file's name, if any, with the file's own.
 * @param sha256 of the checkpoint, after gunzip
 * @returns a warning where the name may hold a date instead
 * @throws Pth2tfjsError `hash-mismatch`
 */
export function checkHubHash(name: string, sha256: string | null): string[] {
  const promised = hubHash(name);
  if (promised === undefined || sha256 === null || sha256.startsWith(promised)) return [];
  if (looksLikeDate(promised)) {
    return [
      `the ${promised} in the file's name is not the start of its SHA-256; it is taken for a date`,
    ];
  }
  throw new Pth2tfjsError(
    'hash-mismatch',
    `${name}: its name promises a SHA-256 that starts with ${promised}, it is ${sha256}`,
    { hint: 'download the file again, or pass --no-check-hash if the name means something else' },
  );
}

/** What `--json` prints: one object on one line. */
export function printJSON(value: object): void {
  process.stdout.write(`${JSON.stringify(withFlags(value))}\n`);
}

/** One line on stderr for each thing that was set aside. */
export function printNotes(notes: readonly string[]): void {
  for (const note of notes) process.stderr.write(`note: ${printable(asFlags(note))}\n`);
}

/** One line on stderr for each thing that the user should know. */
export function printWarnings(warnings: readonly string[]): void {
  for (const warning of warnings) process.stderr.write(`warning: ${printable(asFlags(warning))}\n`);
}

/** Throws the usage error for a call that makes no sense. */
export function usageError(message: string, hint?: string): Pth2tfjsError {
  return new Pth2tfjsError('usage', message, hint === undefined ? {} : { hint });
}
