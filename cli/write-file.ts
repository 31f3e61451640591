import { renameSync, rmSync } from 'node:fs';
import { access, constants, open, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Pth2tfjsError } from '../src/base/errors.js';
import { guard } from './guard.js';
import { STDIN } from './stdin.js';
import { active, followLinks, newSibling, type OutputOptions, recover } from './target.js';
import { codeOf, failure } from './write-errors.js';

/**
 * Tells whether {@link writeWhole} could write a file, before any work goes into its content.
 * @throws Pth2tfjsError `usage` for a folder, and for a file that is there already and no `force`;
 *   `io` where nothing can be written
 */
export async function checkFile(path: string, { force }: OutputOptions): Promise<void> {
  await inspect(path, force);
}

/**
 * Writes a file such that it appears whole or not at all: to a sibling, `.<base>.pth2tfjs-<pid>-<random>`,
 * from there to the disk, and then under its name. A link is followed. Errors and signals leave
 * things as they were; only SIGKILL leaves the sibling behind, until the next run to the same path.
 * What is no file, such as a pipe or /dev/stdout, is written to as it is.
 *
 * @throws Pth2tfjsError as {@link checkFile} does, and `io` when the disk is full and the like
 */
export async function writeWhole(
  path: string,
  content: string | Uint8Array,
  { force }: OutputOptions,
): Promise<void> {
  const { place, special } = await inspect(path, force);
  try {
    if (special) await writeFile(place, content);
    else await replace(place, content, async () => void (await inspect(path, force)));
  } catch (error) {
    throw failure(path, error);
  }
}

/**
 * The same, and before the file gets its name, `check` may read it where it waits for that; if this fails,
 * nothing is left of it.
 * @returns what `check` gave
 * @throws Pth2tfjsError as {@link writeWhole} does, `usage` for what cannot be read back; what `check` throws
 */
export async function writeWholeChecked<T>(
  path: string,
  content: Uint8Array,
  { force }: OutputOptions,
  check: (written: string) => Promise<T>,
): Promise<T> {
  const { place, special } = await inspect(path, force);
  if (special) throw usage(`${path} is no file, and cannot be read back`, 'name a file');
  try {
    return await replace(place, content, async (written) => {
      const checked = await check(written);
      await inspect(path, force);
      return checked;
    });
  } catch (error) {
    throw failure(path, error);
  }
}

/** Where a path really leads, and whether that is a pipe or a device. */
async function inspect(path: string, force: boolean): Promise<{ place: string; special: boolean }> {
  if (path === STDIN) throw usage('- is no file to write to', 'name a file, or /dev/stdout');
  try {
    const found = await stat(path).catch(absent);
    if (found?.isDirectory()) throw usage(`${path} is a folder, not a file`, 'name a file in it');
    if (found !== undefined && !found.isFile()) return { place: path, special: true };
    if (found !== undefined && !force) {
      throw usage(`${path} is there already`, 'choose another name or pass --force');
    }
    const place = await followLinks(resolve(path));
    await access(dirname(place), constants.W_OK | constants.X_OK);
    await recover(place);
    return { place, special: false };
  } catch (error) {
    throw failure(path, error);
  }
}

function absent(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}

function usage(message: string, hint: string): Pth2tfjsError {
  return new Pth2tfjsError('usage', message, { hint });
}

/** @param check throws if what was written must not get its name, as where that has been taken meanwhile */
async function replace<T>(
  place: string,
  content: string | Uint8Array,
  check: (written: string) => Promise<T>,
): Promise<T> {
  const temp = newSibling(place);
  const discard = () => rmSync(temp, { force: true });
  const release = guard(discard);
  active.add(temp);
  try {
    await writeThrough(temp, content);
    const checked = await check(temp);
    renameSync(temp, place);
    return checked;
  } finally {
    discard();
    active.delete(temp);
    release();
  }
}

/** Returns when the disk has it all, so that no power cut can leave the name on half a file. */
async function writeThrough(path: string, content: string | Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}
