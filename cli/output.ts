import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import {
  access,
  constants as modes,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { homedir, constants as osConstants } from 'node:os';
import { basename, dirname, isAbsolute, join, parse, relative, resolve, sep } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { isPth2tfjsError, Pth2tfjsError } from '../src/errors.js';

export interface OutputFile {
  /** A plain file name; the folder that is written has no subfolders. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface OutputOptions {
  /** Replace a folder that holds files, wholesale. */
  readonly force: boolean;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** As many as libuv has threads: more would only queue up. */
const WRITERS = 4;
const OLD = '.old';

/** Folders that this process is writing, which a stale one of an earlier, equal pid is not. */
const active = new Set<string>();

/** What one write has made so far, and must unmake should it fail. */
interface Staging {
  readonly place: string;
  readonly temp: string;
  /** Where a replaced folder waits until the new one is in its place. */
  readonly aside: string;
  readonly created: string[];
}

/**
 * Tells whether {@link writeDirectory} could write `target`, before any work goes into its contents.
 *
 * A link is followed: what it points to gets replaced, not the link. A missing parent is fine.
 * An empty folder is fine, too. This also clears up after a run that was killed outright: its
 * unfinished folder is removed, and a folder that it had set aside is put back.
 *
 * @throws Pth2tfjsError `usage` when `target` is a file, a mount point, a folder with files and no
 * `force`, or holds the current or the home folder; `io` when it cannot be reached or written
 */
export async function checkTarget(target: string, options: OutputOptions): Promise<void> {
  await inspect(target, options.force);
}

/**
 * Writes `files` into the folder `target` such that it appears whole or not at all.
 *
 * The files go to a sibling, `.<base>.pth2tfjs-<pid>-<random>`, which is renamed at the end.
 * An error, SIGINT, SIGTERM, SIGHUP and `process.exit` remove it and leave `target` as it was;
 * after a signal the process exits with 128 + its number. Only SIGKILL and power cuts leave the
 * sibling behind, and the next run to the same target removes it, unless a process of its pid runs.
 *
 * @throws Pth2tfjsError as {@link checkTarget} does, and `io` when the disk is full and the like
 */
export async function writeDirectory(
  target: string,
  files: readonly OutputFile[],
  options: OutputOptions,
): Promise<void> {
  checkNames(files);
  const staging = newStaging(await inspect(target, options.force));
  const release = guard(() => discard(staging));
  active.add(staging.temp);
  try {
    makeFolders(staging);
    await writeAll(staging.temp, files);
    commit(staging, options.force);
    await removeOld(staging);
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

/** The checks of {@link checkTarget}; returns where `target` really lies. */
async function inspect(target: string, force: boolean): Promise<string> {
  try {
    const place = await followLinks(resolve(target));
    refuseProtected(target, place);
    await recover(place);
    if (existsSync(place)) await refuseOccupied(target, place, force);
    await access(dirname(missingParents(place)[0] ?? place), modes.W_OK | modes.X_OK);
    return place;
  } catch (error) {
    throw failure(target, error);
  }
}

async function followLinks(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  // The folder behind a link may be missing because a killed run has set it aside.
  const link = await readlink(path).catch(() => undefined);
  return link === undefined ? path : followLinks(resolve(dirname(path), link));
}

/** Renaming such a folder away would pull the ground from under the shell, or worse. */
function refuseProtected(target: string, place: string): void {
  const inside = (path: string) => {
    const way = relative(place, path);
    return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
  };
  if (place !== parse(place).root && ![process.cwd(), homedir()].some(inside)) return;
  const text = `${target || "''"} is or holds the current or the home folder`;
  throw new Pth2tfjsError('usage', text, { hint: 'name a new folder, such as ./model' });
}

async function refuseOccupied(target: string, place: string, force: boolean): Promise<void> {
  const info = await stat(place);
  if (!info.isDirectory()) {
    const hint = 'choose another name for the output folder';
    throw new Pth2tfjsError('usage', `${target} is a file, not a folder`, { hint });
  }
  if (info.dev !== (await stat(dirname(place))).dev) {
    const hint = 'choose a folder inside it';
    throw new Pth2tfjsError('usage', `${target} is a mount point and cannot be replaced`, { hint });
  }
  if (!force && (await readdir(place)).length > 0) throw notEmpty(target);
}

function notEmpty(target: string): Pth2tfjsError {
  return new Pth2tfjsError('usage', `${target} is not empty`, {
    hint: 'choose another folder or pass --force',
  });
}

/** Outermost first. */
function missingParents(place: string): string[] {
  const missing: string[] = [];
  for (let path = dirname(place); !existsSync(path); path = dirname(path)) missing.unshift(path);
  return missing;
}

function prefixOf(place: string): string {
  return join(dirname(place), `.${basename(place)}.pth2tfjs-`);
}

function newStaging(place: string): Staging {
  const temp = `${prefixOf(place)}${process.pid}-${randomBytes(4).toString('hex')}`;
  return { place, temp, aside: `${temp}${OLD}`, created: [] };
}

/** Clears up after runs to the same place that were killed and could not do so themselves. */
async function recover(place: string): Promise<void> {
  const prefix = prefixOf(place);
  const names = await readdir(dirname(place)).catch(() => []);
  for (const path of names.map((name) => join(dirname(place), name))) {
    if (!path.startsWith(prefix) || !isAbandoned(path, prefix)) continue;
    if (path.endsWith(OLD) && !existsSync(place)) await rename(path, place);
    else await removeStale(path, newStaging(place).temp);
  }
}

function isAbandoned(path: string, prefix: string): boolean {
  const pid = Number(/^([0-9]+)-[0-9a-f]{8}(?:\.old)?$/.exec(path.slice(prefix.length))?.[1]);
  // In a container every run may have the same pid.
  if (pid === process.pid) return !active.has(path.replace(/\.old$/, ''));
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
}

/**
 * Renames before removing: should the writer live after all, on another machine that shares the
 * disk, then it fails instead of publishing a folder that is half removed.
 */
async function removeStale(path: string, claimed: string): Promise<void> {
  try {
    await rename(path, claimed);
    await rm(claimed, { recursive: true, force: true });
  } catch {
    // Someone else's leftovers are no reason to fail.
  }
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
  removeForGood(temp, newStaging(place).temp);
  if (existsSync(place)) removeForGood(aside, newStaging(place).temp);
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

/** Runs `cleanUp` when the process exits, also by a signal; returns how to call that off. */
function guard(cleanUp: () => void): () => void {
  const onSignal = (signal: NodeJS.Signals) => process.exit(128 + osConstants.signals[signal]);
  process.once('exit', cleanUp);
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return () => {
    process.off('exit', cleanUp);
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space, or choose a folder on another disk',
  EDQUOT: 'free some of the disk quota, or choose a folder on another disk',
  EFBIG: 'raise the file size limit (ulimit -f), or choose a folder on another disk',
  EACCES: 'choose a folder that this user may write to',
  EPERM: 'choose a folder that this user may write to',
  EROFS: 'choose a folder on a disk that is not read-only',
  EXDEV: 'choose another folder, for this one cannot be renamed',
  EBUSY: 'choose another folder, for this one is in use',
  ENAMETOOLONG: 'choose a shorter name',
};

function failure(target: string, error: unknown): unknown {
  const code = codeOf(error);
  if (isPth2tfjsError(error) || code === undefined) return error;
  if (code === 'ENOTEMPTY' || code === 'EEXIST') return notEmpty(target);
  const hint = HINTS[isQuota(error) ? 'EDQUOT' : code] ?? 'choose another folder';
  const text = `cannot write ${target}: ${words(error)}`;
  return new Pth2tfjsError('io', text, { hint, cause: error });
}

/** Such as `no space left on device (ENOSPC)`. */
function words(error: unknown): string {
  if (isQuota(error)) return 'disk quota exceeded (EDQUOT)';
  const { code, errno, message } = error as NodeJS.ErrnoException;
  return `${getSystemErrorMap().get(errno ?? 0)?.[1] ?? message} (${code})`;
}

/** libuv has no name for this one and hands the bare number on. */
function isQuota(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).errno === -osConstants.errno.EDQUOT;
}
