import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { isPth2tfjsError, Pth2tfjsError } from '../src/errors.js';
import type { ProgressSink } from './progress.js';

/** The bytes of a checkpoint file and the name that they came under. */
export interface Source {
  /** The file name alone, without folders or a URL's query, such as `googlenet-1378be20.pth`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface SourceOptions {
  /** Told about downloads only: a local file is read before a bar could be seen. */
  readonly progress?: ProgressSink;
  /** Larger inputs are refused; {@link DEFAULT_MAX_BYTES} unless given. */
  readonly maxBytes?: number;
  /** A download that brings no byte for this long fails; {@link DEFAULT_IDLE_TIMEOUT_MS} unless given. */
  readonly idleTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

export const DEFAULT_MAX_BYTES = 2 ** 30;
export const DEFAULT_IDLE_TIMEOUT_MS = 60_000;

/** setTimeout fires at once when asked for more than this. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;
/** A header may promise anything, so only this much is taken on its word. */
const MOST_PREALLOCATED = 256 * 2 ** 20;
const FIRST_BUFFER = 2 ** 20;
/**
 * Several readers share the cost of faulting fresh pages in (52 MB: 25 ms instead of 40 ms), and
 * pieces keep each system call below its limit of 2 GiB.
 */
const READERS = 4;
const PIECE = 8 * 2 ** 20;

/**
 * Reads a whole checkpoint from a file or from an `http:` or `https:` URL.
 *
 * User name and password in a URL are sent as basic authentication and never appear in errors;
 * neither does the query, which may hold a signature.
 *
 * @throws Pth2tfjsError `io` when it cannot be read, `truncated` when a download ends early,
 * `limit` when it exceeds `maxBytes`, `usage` when the URL makes no sense, `interrupted` when
 * `signal` aborts
 */
export async function readSource(location: string, options: SourceOptions = {}): Promise<Source> {
  if (options.signal?.aborted) throw interrupted();
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(location)?.[1]?.toLowerCase();
  if (scheme === undefined) return readPath(location, options);
  if (scheme === 'http' || scheme === 'https') return download(parseUrl(location), options);
  throw new Pth2tfjsError('usage', `cannot read ${scheme}: URLs`, {
    hint: 'pass a path, or a URL that starts with https://',
  });
}

/**
 * The SHA-256 prefix that torch.hub's naming convention puts into a file name:
 * `1378be20` for `googlenet-1378be20.pth` and also for `googlenet-1378be20.pth.gz`.
 * Fewer than eight digits prove too little and count as none.
 */
export function hubHash(name: string): string | undefined {
  return /-([a-f0-9]{8,64})\./.exec(name)?.[1];
}

/**
 * True for a {@link hubHash} of decimal digits only, as in `model-20240115.pth`. One real hash
 * prefix in forty looks like that too, so a mismatch deserves a warning but no error.
 */
export function looksLikeDate(hash: string): boolean {
  return /^[0-9]+$/.test(hash);
}

interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
}

async function readPath(path: string, options: SourceOptions): Promise<Source> {
  let handle: FileHandle | undefined;
  try {
    // Without O_NONBLOCK, opening a pipe would wait for a writer; Windows has neither.
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const { size } = await checkFile(path, handle, options.maxBytes ?? DEFAULT_MAX_BYTES);
    const bytes = allocate(path, size);
    await fill(bytes, { path, handle }, options.signal);
    const after = (await handle.stat()).size;
    if (after !== size) throw changed(path, size, after);
    return { name: basename(path), bytes };
  } catch (error) {
    throw pathError(path, error);
  } finally {
    await handle?.close();
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

async function fill(bytes: Uint8Array, file: OpenFile, signal?: AbortSignal): Promise<void> {
  let next = 0;
  const reader = async () => {
    while (next < bytes.length) {
      if (signal?.aborted) throw interrupted();
      const start = next;
      next = Math.min(start + PIECE, bytes.length);
      await fillPiece(bytes, file, start, next);
    }
  };
  await Promise.all(Array.from({ length: READERS }, reader));
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

function allocate(what: string, size: number): Uint8Array {
  try {
    return new Uint8Array(size);
  } catch (cause) {
    throw new Pth2tfjsError('limit', `no memory for the ${size} bytes of ${what}`, { cause });
  }
}

function parseUrl(location: string): URL {
  if (URL.canParse(location)) return new URL(location);
  // Not even a broken URL's credentials may be printed: whatever precedes an @ goes.
  throw new Pth2tfjsError('usage', `not a valid URL: ${location.replace(/\/\/.*@/, '//***@')}`);
}

/** One download under way, as the errors about it need to know it. */
interface Transfer {
  readonly shown: string;
  readonly maxBytes: number;
  /** How many bytes the server announced; a compressed body's length says nothing about ours. */
  total: number | undefined;
  received: number;
}

async function download(url: URL, options: SourceOptions): Promise<Source> {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  const transfer: Transfer = { shown: printable(url), maxBytes, total: undefined, received: 0 };
  const stop = new AbortController();
  const idleMs = Math.min(options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS, LONGEST_TIMEOUT_MS);
  const timer = setTimeout(() => stop.abort(stalled(transfer, idleMs)), idleMs);
  const onAbort = () => stop.abort(interrupted());
  options.signal?.addEventListener('abort', onAbort);
  try {
    const response = await request(url, stop.signal);
    checkResponse(response, transfer);
    const bytes = await receive(response, transfer, timer, options.progress);
    return { name: urlName(url), bytes };
  } catch (error) {
    // After an abort this is its reason, which is already one of ours.
    throw transferError(transfer, error);
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
    // Closes the connection of a body that was not read to its end.
    stop.abort();
  }
}

/** fetch refuses URLs with credentials, so they travel in the header that they stand for. */
async function request(url: URL, signal: AbortSignal): Promise<Response> {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  // Checkpoints hardly compress, and only an unencoded length can be checked.
  const headers = new Headers({ 'accept-encoding': 'identity' });
  if (url.username !== '' || url.password !== '') {
    const pair = `${decoded(url.username)}:${decoded(url.password)}`;
    headers.set('authorization', `Basic ${Buffer.from(pair).toString('base64')}`);
  }
  return fetch(bare, { headers, signal, redirect: 'follow' });
}

function checkResponse(response: Response, transfer: Transfer): void {
  const { status, statusText } = response;
  if (!response.ok) {
    const via = response.redirected ? `, redirected to ${printable(new URL(response.url))}` : '';
    const answer = `HTTP ${status} ${statusText}`.trimEnd();
    throw new Pth2tfjsError('io', `the server answered ${answer} for ${transfer.shown}${via}`, {
      hint: statusHint(status),
    });
  }
  const length = response.headers.get('content-length') ?? '';
  const encoding = response.headers.get('content-encoding') ?? 'identity';
  if (!/^[0-9]+$/.test(length) || encoding !== 'identity') return;
  transfer.total = Number(length);
  if (transfer.total > transfer.maxBytes) {
    throw tooLarge(transfer.shown, transfer.total, transfer.maxBytes);
  }
}

async function receive(
  response: Response,
  transfer: Transfer,
  timer: NodeJS.Timeout,
  progress?: ProgressSink,
): Promise<Uint8Array> {
  const { shown, maxBytes, total } = transfer;
  let bytes = allocate(shown, Math.min(total ?? FIRST_BUFFER, MOST_PREALLOCATED));
  progress?.start(total);
  try {
    for await (const chunk of response.body ?? []) {
      timer.refresh();
      const start = transfer.received;
      transfer.received += chunk.length;
      if (transfer.received > maxBytes) throw tooLarge(shown, transfer.received, maxBytes);
      bytes = grown(bytes, start, transfer);
      bytes.set(chunk, start);
      progress?.update(transfer.received);
    }
  } finally {
    progress?.end();
  }
  if (total !== undefined && transfer.received < total) throw cutShort(transfer);
  return transfer.received === bytes.length ? bytes : bytes.slice(0, transfer.received);
}

/** `bytes`, or a copy of the first `used` of them with room for what has been received. */
function grown(bytes: Uint8Array, used: number, transfer: Transfer): Uint8Array {
  const needed = transfer.received;
  if (needed <= bytes.length) return bytes;
  const wanted = Math.min(2 * bytes.length, transfer.total ?? transfer.maxBytes);
  const larger = allocate(transfer.shown, Math.max(needed, wanted));
  larger.set(bytes.subarray(0, used));
  return larger;
}

/** The last part of the path, as torch.hub has it, for that is what carries the hash. */
function urlName(url: URL): string {
  const raw = url.pathname.slice(url.pathname.lastIndexOf('/') + 1);
  const name = decoded(raw);
  if (name === '') return url.hostname;
  // An escaped separator or control character has no business in a name.
  return /[/\\\p{Cc}]/u.test(name) ? raw : name;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function printable(url: URL): string {
  return `${url.origin}${url.pathname}${url.search === '' ? '' : '?...'}`;
}

function statusHint(status: number): string {
  if (status === 401 || status === 403) return 'download the file with a browser and pass its path';
  if (status === 429 || status >= 500) return 'try again later';
  return 'check the address';
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
    code === 'ENOENT' ? `no such file: ${path}` : `cannot read ${path}: ${reason(error)}`;
  const hint = hints[code ?? ''] ?? 'check that the file can be copied, and pass the copy';
  return new Pth2tfjsError('io', text, { hint, cause: error });
}

function transferError(transfer: Transfer, error: unknown): unknown {
  if (isPth2tfjsError(error)) return error;
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (transfer.total !== undefined) return cutShort(transfer, cause);
  return new Pth2tfjsError('io', `cannot download ${transfer.shown}: ${reason(cause)}`, {
    hint: 'check the address and the network, or download the file otherwise and pass its path',
    cause,
  });
}

/** Such as `connection refused (ECONNREFUSED)`. */
function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const known = [...getSystemErrorMap().values()].find(([name]) => name === code);
  const words = known?.[1] ?? message;
  if (code === undefined || words.includes(code)) return words;
  // TLS errors come as several lines of OpenSSL internals.
  return words.length > 100 ? code : `${words} (${code})`;
}

function cutShort({ shown, received, total }: Transfer, cause?: unknown): Pth2tfjsError {
  const why = cause === undefined ? '' : `: ${reason(cause)}`;
  const text = `only ${received} of ${total} bytes of ${shown} came${why}`;
  return new Pth2tfjsError('truncated', text, { hint: 'download it again', cause });
}

function stalled({ shown, received }: Transfer, idleMs: number): Pth2tfjsError {
  const text = `no data for ${idleMs / 1000} s after ${received} bytes of ${shown}`;
  return new Pth2tfjsError('io', text, { hint: 'check the network and try again' });
}

function tooLarge(what: string, size: number, maxBytes: number): Pth2tfjsError {
  const text = `${what} has at least ${size} bytes, more than the limit of ${maxBytes}`;
  return new Pth2tfjsError('limit', text, { hint: 'check that this is the right file' });
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

function interrupted(): Pth2tfjsError {
  return new Pth2tfjsError('interrupted', 'reading was interrupted');
}
