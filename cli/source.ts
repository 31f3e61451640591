import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { allocate, tooLarge } from '../src/base/collect.js';
import { isPth2tfjsError, Pth2tfjsError } from '../src/base/errors.js';
import { MAX_CHECKPOINT_BYTES } from '../src/base/limits.js';
import { download, parseUrl, urlName } from './download.js';
import { hubHash } from './hub-hash.js';
import type { ProgressSink } from './progress.js';
import { reason } from './read-errors.js';
import { readStdin, STDIN } from './stdin.js';

/** The bytes of a checkpoint file and the name that they came under. */
export interface Source {
  /** The file name alone, without folders or a URL's query, such as `googlenet-1378be20.pth`; or `stdin`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface SourceOptions {
  /** Told about downloads only: a local file is read before a bar could be seen. */
  readonly progress?: ProgressSink;
  /** Larger inputs are refused; 1 GiB unless given. */
  readonly maxBytes?: number;
  /** A download that brings no byte for this long fails; {@link DEFAULT_IDLE_TIMEOUT_MS} unless given. */
  readonly idleTimeoutMs?: number;
}

const DEFAULT_IDLE_TIMEOUT_MS = 60_000;

/**
 * Several readers share the cost of faulting fresh pages in (52 MB: 25 ms instead of 40 ms), and
 * pieces keep each system call below its limit of 2 GiB.
 */
const READERS = 4;
/** Of as many threads as Node has for files, which has modules to load meanwhile. */
const READERS_AHEAD = 2;
const PIECE = 8 * 2 ** 20;

/**
 * Reads a whole file by its path, by an `http:`, `https:` or `file:` URL, or from {@link STDIN}.
 *
 * User name and password in a URL are sent as basic authentication and never appear in errors;
 * neither does the query, which may hold a signature.
 *
 * @throws Pth2tfjsError `io` when it cannot be read, `truncated` when a download ends early,
 * `limit` when it exceeds `maxBytes`, `usage` when the URL makes no sense
 */
export async function readSource(location: string, options: SourceOptions = {}): Promise<Source> {
  const { maxBytes = MAX_CHECKPOINT_BYTES } = options;
  const begun = ahead.get(location);
  ahead.delete(location);
  if (begun !== undefined) return begun;
  if (location === STDIN) return { name: 'stdin', bytes: await readStdin(maxBytes) };
  if (isWebURL(location)) return readUrl(parseUrl(location), options);
  return readPath(toPath(location), maxBytes);
}

/** What is being read already, by its location. */
const ahead = new Map<string, Promise<Source>>();

/** Reads a local file into memory that threads can share, for the next who asks for it. */
export function beginReading(path: string): Promise<Source> {
  const reading = readPath(path, MAX_CHECKPOINT_BYTES, true);
  ahead.set(path, reading);
  return reading;
}

/** Whether a location is fetched from a server. */
export function isWebURL(location: string): boolean {
  return ['http', 'https'].includes(schemeOf(location) ?? '');
}

/**
 * The path that a location other than a web URL means: it itself, or that of a `file:` URL.
 * @throws Pth2tfjsError `usage` for other URLs
 */
export function toPath(location: string): string {
  const scheme = schemeOf(location);
  if (scheme === undefined) return location;
  if (scheme !== 'file') {
    throw new Pth2tfjsError('usage', `cannot read ${scheme}: URLs`, {
      hint: 'pass a path, or a URL that starts with https://',
    });
  }
  try {
    return fileURLToPath(parseUrl(location));
  } catch (cause) {
    throw new Pth2tfjsError('usage', `${location} leads to no file: ${reason(cause)}`, {
      hint: 'pass the path of the file',
      cause,
    });
  }
}

function schemeOf(location: string): string | undefined {
  return /^([a-z][a-z0-9+.-]+):\/\//i.exec(location)?.[1]?.toLowerCase();
}

async function readUrl(url: URL, options: SourceOptions): Promise<Source> {
  const { bytes, from } = await download(url, {
    ...options,
    maxBytes: options.maxBytes ?? MAX_CHECKPOINT_BYTES,
    idleTimeoutMs: options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS,
  });
  // The address may be short, and the place that it leads to promise a hash.
  const names = [url, from].map(urlName);
  const name = names.find((each) => hubHash(each) !== undefined) ?? urlName(url);
  return { name, bytes };
}

interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
}

async function readPath(path: string, maxBytes: number, shared = false): Promise<Source> {
  let handle: FileHandle | undefined;
  try {
    // Without O_NONBLOCK, opening a pipe would wait for a writer; Windows has neither.
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const { size } = await checkFile(path, handle, maxBytes);
    const bytes = shared ? allocateShared(path, size) : allocate(path, size);
    await fill(bytes, { path, handle }, shared ? READERS_AHEAD : READERS);
    const after = (await handle.stat()).size;
    if (after !== size) throw changed(path, size, after);
    return { name: basename(path), bytes };
  } catch (error) {
    throw pathError(path, error);
  } finally {
    await handle?.close();
  }
}

/** In memory that threads can share, if there is some. */
function allocateShared(path: string, size: number): Uint8Array {
  try {
    return new Uint8Array(new SharedArrayBuffer(size));
  } catch {
    return allocate(path, size);
  }
}

async function checkFile(path: string, handle: FileHandle, maxBytes: number) {
  const info = await handle.stat();
  if (info.isDirectory()) throw isFolder(path);
  if (!info.isFile()) {
    throw new Pth2tfjsError('io', `${path} is not a regular file`, {
      hint: 'save the data to a file first and pass its path',
    });
  }
  if (info.size > maxBytes) throw tooLarge(path, info.size, maxBytes);
  return info;
}

async function fill(bytes: Uint8Array, file: OpenFile, readers: number): Promise<void> {
  let next = 0;
  const reader = async () => {
    while (next < bytes.length) {
      const start = next;
      next = Math.min(start + PIECE, bytes.length);
      await fillPiece(bytes, file, start, next);
    }
  };
  await Promise.all(Array.from({ length: readers }, reader));
}

/** The range from `start` to `end`, each time from the file's same place. */
async function fillPiece(bytes: Uint8Array, file: OpenFile, start: number, end: number) {
  let done = start;
  while (done < end) {
    const { bytesRead } = await file.handle.read(bytes, done, end - done, done);
    if (bytesRead === 0) throw changed(file.path, bytes.length, done);
    done += bytesRead;
  }
}

function pathError(path: string, error: unknown): unknown {
  if (isPth2tfjsError(error) || !(error instanceof Error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  // Windows says EISDIR on opening a folder already.
  if (code === 'EISDIR') return isFolder(path);
  const hints: Readonly<Record<string, string>> = {
    ENOENT: 'check the spelling, and the folder that the path is relative to',
    EACCES: 'make the file and its folders readable for this user',
  };
  const text =
    code === 'ENOENT' ? `no such file: ${path || "''"}` : `cannot read ${path}: ${reason(error)}`;
  const hint = hints[code ?? ''] ?? 'check that the file can be copied, and pass the copy';
  return new Pth2tfjsError('io', text, { hint, cause: error });
}

function isFolder(path: string): Pth2tfjsError {
  return new Pth2tfjsError('io', `${path} is a folder, not a checkpoint`, {
    hint: 'pass the .pth file; if this is an unzipped archive, pack it again with zip -0 -r',
  });
}

function changed(path: string, before: number, after: number): Pth2tfjsError {
  const text = `${path} changed from ${before} to ${after} bytes while being read`;
  return new Pth2tfjsError('io', text, { hint: 'wait until the file is complete' });
}
