import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Reads a file by its name. */
export type ReadFile = (name: string) => Promise<Uint8Array>;

/**
 * Reads files of a folder that a script writes; all of them when one is asked for that is not there yet, so that
 * tests that need few wait for these alone.
 */
export function madeFiles(folder: string, makeAll: () => Promise<unknown>): ReadFile {
  let making: Promise<unknown> | undefined;
  return async (name) => {
    const path = join(folder, name);
    if (!existsSync(path)) {
      making ??= makeAll();
      await making;
    }
    return readFile(path);
  };
}
