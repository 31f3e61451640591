import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { failure } from './write-errors.js';

/**
 * Writes a file whole or not at all.
 * @throws Pth2tfjsError `io`
 */
export async function writeReport(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, text, { flag: 'wx' });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw failure(path, error);
  }
}
