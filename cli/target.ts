import { existsSync } from 'node:fs';
import {
  access,
  constants as modes,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  stat,
} from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join, parse, relative, resolve, sep } from 'node:path';
import { Pth2tfjsError } from '../src/base/errors.js';
import { toPath } from './source.js';
import { STDIN } from './stdin.js';
import { codeOf, failure, notEmpty } from './write-errors.js';

export interface OutputOptions {
  /** Replace a file, or a folder that holds files, wholesale. */
  readonly force: boolean;
}

/** Ends the name of the sibling where a replaced folder waits. */
export const OLD = '.old';

/** Folders that this process is writing, which a stale one of an earlier, equal pid is not. */
export const active = new Set<string>();

/**
 * Tells whether `writeDirectory` could write `target`, before any work goes into its contents.
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
 * Refuses a `checkpoint` that would go when `--force` replaces `target`; links are followed on both
 * sides. What is not there, and thus any URL, is left to the reader.
 *
 * @throws Pth2tfjsError `usage` when `checkpoint` lies inside `target`
 */
export async function refuseInside(target: string, checkpoint: string): Promise<void> {
  const place = await realpath(target).catch(() => undefined);
  const source = /^file:/i.test(checkpoint) ? toPath(checkpoint) : checkpoint;
  const path = await realpath(source).catch(() => undefined);
  if (place === undefined || path === undefined || path === place) return;
  if (!contains(place, path)) return;
  const text = `${checkpoint} lies inside ${target}, which --force would replace`;
  throw new Pth2tfjsError('usage', text, { hint: 'choose another output folder' });
}

/** The checks of {@link checkTarget}; returns where `target` really lies. */
export async function inspect(target: string, force: boolean): Promise<string> {
  if (target === STDIN) {
    throw new Pth2tfjsError('usage', '- is no folder to write to', { hint: 'name a new folder' });
  }
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

export async function followLinks(path: string): Promise<string> {
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
  const holds = (path: string) => contains(place, path);
  if (place !== parse(place).root && ![process.cwd(), homedir()].some(holds)) return;
  const text = `${target || "''"} is or holds the current or the home folder`;
  throw new Pth2tfjsError('usage', text, { hint: 'name a new folder, such as ./model' });
}

/** True also for `folder` itself. */
function contains(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
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

/** Outermost first. */
export function missingParents(place: string): string[] {
  const missing: string[] = [];
  for (let path = dirname(place); !existsSync(path); path = dirname(path)) missing.unshift(path);
  return missing;
}

function prefixOf(place: string): string {
  return join(dirname(place), `.${basename(place)}.pth2tfjs-`);
}

/** A name beside `place` that nothing has yet: `.<base>.pth2tfjs-<pid>-<random>`. */
export function newSibling(place: string): string {
  // node:crypto would take longer to load than the folder to write.
  const random = Math.floor(Math.random() * 2 ** 32).toString(16);
  return `${prefixOf(place)}${process.pid}-${random.padStart(8, '0')}`;
}

/** Clears up after runs to the same place that were killed and could not do so themselves. */
export async function recover(place: string): Promise<void> {
  const prefix = prefixOf(place);
  const names = await readdir(dirname(place)).catch(() => []);
  for (const path of names.map((name) => join(dirname(place), name))) {
    if (!path.startsWith(prefix) || !isAbandoned(path, prefix)) continue;
    if (path.endsWith(OLD) && !existsSync(place)) await rename(path, place);
    else await removeStale(path, newSibling(place));
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
