import { existsSync, mkdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Pth2tfjsError } from '../src/base/errors.js';
import { guard } from './guard.js';
import { active, inspect, missingParents, newSibling, OLD, type OutputOptions } from './target.js';
import { failure, words } from './write-errors.js';

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
  const staging = newStaging(await inspect(target, options.force));
  const release = guard(() => discard(staging));
  active.add(staging.temp);
  try {
    makeFolders(staging);
    await writeAll(staging.temp, files);
    const checked = await check(staging.temp);
    commit(staging, options.force);
    await removeOld(staging);
    return checked;
  } catch (error) {
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
    if (mkdirSync(path, { recursive: true }) !== undefined) staging.created.unshift(path);
  }
  mkdirSync(staging.temp);
}

/**
 * Writes several files at a time, which halves the time of one after the other. There is no fsync:
 * it would more than double it (27 MB: 10 ms, with fsync 25 ms, far more on a slow disk), and
 * only a power cut in the next seconds could harm an output that a second run makes again.
 */
async function writeAll(folder: string, files: readonly OutputFile[]): Promise<void> {
  const stop = new AbortController();
  const queue = files.values();
  const writer = async () => {
    for (const { name, bytes } of queue) {
      if (stop.signal.aborted) return;
      await writeFile(join(folder, name), bytes, { flag: 'wx', signal: stop.signal });
    }
  };
  // All must have ended before the folder can be removed.
  const writers = Array.from({ length: WRITERS }, () => writer().catch((e) => stop.abort(e)));
  await Promise.all(writers);
  stop.signal.throwIfAborted();
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
