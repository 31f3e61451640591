import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  write,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Pth2tfjsError } from '../src/base/errors.js';
import { guard } from './guard.js';
import { active, inspect, missingParents, newSibling, OLD, type OutputOptions } from './target.js';
import { codeOf, failure, words } from './write-errors.js';

export interface OutputFile {
  /** A plain file name; the folder that is written has no subfolders. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** As many as libuv has threads: more would only queue up. */
const WRITERS = 4;

/** What one write has made so far, and must unmake should it fail. */
interface Staging {
  readonly place: string;
  readonly temp: string;
  /** Where a replaced folder waits until the new one is in its place. */
  readonly aside: string;
  readonly created: string[];
}

/**
 * Writes `files` into the folder `target` such that it appears whole or not at all.
 *
 * The files go to a sibling, `.<base>.pth2tfjs-<pid>-<random>`, which is renamed at the end.
 * An error, SIGINT, SIGTERM, SIGHUP and `process.exit` remove it and leave `target` as it was;
 * after a signal the process exits with 128 + its number. Only SIGKILL leaves the sibling (and new
 * parents) behind; the next run to the same target removes it, unless a process of its pid runs.
 * A power cut within seconds of the end may damage files, for nothing waits for the disk.
 *
 * @throws Pth2tfjsError as `checkTarget` does, and `io` when the disk is full and the like
 */
export async function writeDirectory(
  target: string,
  files: readonly OutputFile[],
  options: OutputOptions,
): Promise<void> {
  await writeChecked(target, files, options, async () => {});
}

/**
 * The same, and before the folder gets its name, `check` may read it where it waits for that; if this
 * fails, nothing is left of it.
 * @returns what `check` gave
 * @throws Pth2tfjsError as `writeDirectory` does; what `check` throws
 */
export async function writeChecked<T>(
  target: string,
  files: readonly OutputFile[],
  options: OutputOptions,
  check: (folder: string) => Promise<T>,
): Promise<T> {
  checkNames(files);
  return writeWhileMade(target, options, async (folder) => {
    const queue = files.values();
    const writer = async () => {
      for (const file of queue) await folder.add(file);
    };
    await Promise.all(Array.from({ length: WRITERS }, writer));
    return check(await folder.written());
  });
}

/**
 * The same for files that are still to be made: each is written from the moment on when it is added, while
 * `make` goes on with the next.
 * @returns what `make` gave
 * @throws Pth2tfjsError as `writeDirectory` does; what `make` throws
 */
export async function writeWhileMade<T>(
  target: string,
  options: OutputOptions,
  make: (folder: FolderWriter) => Promise<T>,
): Promise<T> {
  const staging = newStaging(await inspect(target, options.force));
  const release = guard(() => discard(staging));
  active.add(staging.temp);
  const folder = new FolderWriter(staging);
  try {
    const made = await make(folder);
    await folder.written();
    commit(staging, options.force);
    await removeOld(staging);
    return made;
  } catch (error) {
    // All must have ended before the folder can be removed.
    await folder.settled();
    discard(staging);
    throw failure(target, error);
  } finally {
    active.delete(staging.temp);
    release();
  }
}

function checkNames(files: readonly OutputFile[]): void {
  const seen = new Set<string>();
  for (const { name } of files) {
    const plain = name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name);
    if (!plain) throw new Pth2tfjsError('usage', `not a plain file name: ${JSON.stringify(name)}`);
    if (seen.has(name)) throw new Pth2tfjsError('usage', `two files are named ${name}`);
    seen.add(name);
  }
}

function newStaging(place: string): Staging {
  const temp = newSibling(place);
  return { place, temp, aside: `${temp}${OLD}`, created: [] };
}

/** Synchronous, so that no signal comes between making a folder and noting it. */
function makeFolders(staging: Staging): void {
  for (const path of missingParents(staging.place)) {
    // One by one: where none can be made, such as in /proc, `recursive` tries forever.
    try {
      mkdirSync(path);
      staging.created.unshift(path);
    } catch (error) {
      // Another process may have been faster.
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }
  mkdirSync(staging.temp);
}

/**
 * Writes files as they are added, several at a time, into a folder that is made with the first. There is no
 * fsync: it would more than double the time (27 MB: 10 ms, with fsync 25 ms, far more on a slow disk), and
 * only a power cut in the next seconds could harm an output that a second run makes again.
 */
export class FolderWriter {
  private readonly writes: Promise<void>[] = [];
  private made = false;
  private failed: { readonly error: unknown } | undefined;

  constructor(private readonly staging: Staging) {}

  /**
   * Returns when the file is written, or when that is of no use any more, as {@link written} then tells.
   * @throws Error when the file cannot be made
   */
  add({ name, bytes }: OutputFile): Promise<void> {
    if (this.failed !== undefined) return Promise.resolve();
    this.make();
    const writing = writeNew(join(this.staging.temp, name), bytes).catch((error) => {
      this.failed ??= { error };
    });
    this.writes.push(writing);
    return writing;
  }

  /** Returns the folder when all that was added is written. */
  async written(): Promise<string> {
    this.make();
    await this.settled();
    // A signal that came while nothing was awaited is heard first.
    await new Promise(setImmediate);
    if (this.failed !== undefined) throw this.failed.error;
    return this.staging.temp;
  }

  async settled(): Promise<void> {
    await Promise.all(this.writes);
  }

  private make(): void {
    if (!this.made) makeFolders(this.staging);
    this.made = true;
  }
}

const writeSome = promisify(write);

/**
 * Makes a file and fills it. A thread has it in hand when this returns, however long this one is then busy.
 * @throws Error at once where the file cannot be made
 */
function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  return fillFile(openSync(path, 'wx'), bytes);
}

async function fillFile(file: number, bytes: Uint8Array): Promise<void> {
  try {
    for (let done = 0; done < bytes.length; ) {
      done += (await writeSome(file, bytes, done, bytes.length - done)).bytesWritten;
    }
  } finally {
    closeSync(file);
  }
}

/** Synchronous, so that no signal comes between the two renames. */
function commit({ place, temp, aside }: Staging, force: boolean): void {
  if (force && existsSync(place)) renameSync(place, aside);
  // POSIX puts a folder in the place of an empty one, and refuses if it has been filled since.
  else if (process.platform === 'win32' && existsSync(place)) rmdirSync(place);
  renameSync(temp, place);
}

async function removeOld({ place, aside }: Staging): Promise<void> {
  try {
    await rm(aside, { recursive: true, force: true });
  } catch (cause) {
    const text = `${place} is written, but its former files remain in ${aside}: ${words(cause)}`;
    throw new Pth2tfjsError('io', text, { hint: 'remove that folder by hand', cause });
  }
}

/** Puts everything back to how it was; safe to call at any time, and twice. */
function discard({ place, temp, aside, created }: Staging): void {
  attempt(() => {
    if (existsSync(aside) && !existsSync(place)) renameSync(aside, place);
  });
  removeForGood(temp, newSibling(place));
  if (existsSync(place)) removeForGood(aside, newSibling(place));
  for (const path of created) attempt(() => rmdirSync(path));
}

/**
 * Other threads may still be adding files by the old path, which the rename takes away from them.
 * One that has looked the folder up already can slip in once more, so it may take a second try.
 */
function removeForGood(path: string, unused: string): void {
  let doomed = path;
  attempt(() => {
    renameSync(path, unused);
    doomed = unused;
  });
  for (let tries = 0; tries < 10 && existsSync(doomed); tries++) {
    attempt(() => rmSync(doomed, { recursive: true, force: true }));
  }
}

/** A failing clean-up must not hide the error that it cleans up after. */
function attempt(action: () => unknown): void {
  try {
    action();
  } catch {}
}
