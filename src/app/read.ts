import { Collector, collectStream, tooLarge } from '../base/collect.js';
import { Pth2tfjsError } from '../base/errors.js';
import { MAX_CHECKPOINT_BYTES } from '../base/limits.js';
import { withoutSecrets } from '../base/printable.js';
import type { OnWarning } from '../base/warn.js';

export interface LoadProgress {
  readonly phase: 'download' | 'convert' | 'build' | 'warm-up';
  /** Bytes so far; in phases that fetch nothing, as at the end of the download. */
  readonly loaded: number;
  /** Bytes in all; null while that is unknown. */
  readonly total: number | null;
}

/** How to fetch, and whom to tell. */
export interface Fetching {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  readonly onWarning?: OnWarning | undefined;
}

/** Adds up the bytes of several files, and tells whoever wants to know. */
export class ByteCounter {
  private loaded = 0;
  private total: number | null = null;

  constructor(readonly fetching: Fetching) {}

  /** So many bytes are to come. */
  expect(bytes: number): void {
    this.total = this.loaded + bytes;
  }

  /** The same, of a first file; those after it have been expected already. */
  expectFirst(bytes: number): void {
    if (this.loaded === 0) this.total = bytes;
  }

  add(bytes: number): void {
    this.loaded += bytes;
    // What was said to come was the size when compressed.
    if (this.total !== null && this.loaded > this.total) this.total = null;
    this.report('download');
  }

  /** All of a file at once; gives it back. */
  whole(bytes: Uint8Array): Uint8Array {
    this.expectFirst(bytes.length);
    this.add(bytes.length);
    return bytes;
  }

  report(phase: LoadProgress['phase']): void {
    this.fetching.onProgress?.({ phase, loaded: this.loaded, total: this.total });
  }
}

/**
 * What lies at a URL or, in Node, at a path.
 * @param maxBytes more are refused as soon as they are known of
 * @throws Pth2tfjsError `io` where it cannot be read, `limit` where it is too large; the reason of `signal`
 *   when it is aborted
 */
export async function read(
  location: string,
  counter: ByteCounter,
  maxBytes = MAX_CHECKPOINT_BYTES,
): Promise<Uint8Array> {
  counter.fetching.signal?.throwIfAborted();
  const path = pathOf(location);
  const files = nodeModule('fs/promises');
  if (files === undefined || path === undefined) return download(location, counter, maxBytes);
  return readFile(path, files, counter, maxBytes);
}

async function readFile(
  path: string,
  files: NodeModules['fs/promises'],
  counter: ByteCounter,
  maxBytes: number,
): Promise<Uint8Array> {
  const { signal } = counter.fetching;
  const failed = failure(signal, `${path} cannot be read`, 'check the path');
  const info = await files.stat(path).catch(failed);
  // A pipe or a device may have no end.
  if (!info.isFile()) return failed(new Error('it is no regular file'));
  if (info.size > maxBytes) throw tooLarge(path, info.size, maxBytes);
  return counter.whole(await files.readFile(path, { signal }).catch(failed));
}

/** What holds the bytes of one file. */
export type BytesSource =
  | Blob
  | Uint8Array
  | ArrayBuffer
  | ReadableStream<Uint8Array<ArrayBuffer>>
  | Response;

/**
 * The bytes of what holds or brings them.
 * @param maxBytes more are refused as soon as they are known of
 * @throws Pth2tfjsError `usage` for anything else, `limit` where they are too many, `io` where they do not come
 */
export async function readBytes(
  source: BytesSource,
  counter: ByteCounter,
  maxBytes = MAX_CHECKPOINT_BYTES,
): Promise<Uint8Array> {
  const { signal } = counter.fetching;
  signal?.throwIfAborted();
  if (isStream(source)) return drain(source, 'the stream', counter, maxBytes);
  if (isResponse(source)) return receive(source, 'the response', counter, maxBytes);
  const size = sizeOf(source);
  if (size !== undefined && size > maxBytes) throw tooLarge('the file', size, maxBytes);
  if (source instanceof Uint8Array) return counter.whole(source);
  if (source instanceof ArrayBuffer) return counter.whole(new Uint8Array(source));
  if (typeof source?.arrayBuffer !== 'function') {
    throw new Pth2tfjsError('usage', 'there is no model to load in what was given', {
      hint: 'pass the URL of a model.json or checkpoint, its files, or a checkpoint’s bytes',
    });
  }
  const failed = failure(signal, 'the file cannot be read', 'pick it again');
  return counter.whole(new Uint8Array(await source.arrayBuffer().catch(failed)));
}

function isStream(source: unknown): source is ReadableStream<Uint8Array> {
  return typeof (source as ReadableStream | null)?.getReader === 'function';
}

function isResponse(source: unknown): source is Response {
  return typeof Response !== 'undefined' && source instanceof Response;
}

function sizeOf(source: Blob | Uint8Array | ArrayBuffer | null): number | undefined {
  const { size, byteLength } = (source ?? {}) as { size?: number; byteLength?: number };
  return byteLength ?? size;
}

async function download(url: string, counter: ByteCounter, maxBytes: number): Promise<Uint8Array> {
  const { signal } = counter.fetching;
  const shown = withoutSecrets(url);
  const response = await globalThis
    .fetch(url, signal === undefined ? {} : { signal })
    .catch(failure(signal, `${shown} cannot be fetched`, 'check the URL'));
  return receive(response, shown, counter, maxBytes);
}

async function receive(
  response: Response,
  what: string,
  counter: ByteCounter,
  maxBytes: number,
): Promise<Uint8Array> {
  const { body } = response;
  if (!response.ok) {
    body?.cancel().catch(() => {});
    const answer = `HTTP ${response.status} ${response.statusText}`.trimEnd();
    throw new Pth2tfjsError('io', `the server answered ${answer} for ${what}`, {
      hint: 'check the URL',
    });
  }
  if (body === null) return new Uint8Array();
  const length = response.headers.get('content-length');
  const announced = length === null || length === '' ? undefined : Number(length);
  const plain = !response.headers.has('content-encoding');
  const known = plain && Number.isSafeInteger(announced) ? announced : undefined;
  if (known !== undefined) counter.expectFirst(known);
  return drain(body, what, counter, maxBytes, known);
}

/** All that a stream brings; it is called off when it is too much, or the signal says so. */
async function drain(
  stream: ReadableStream<Uint8Array>,
  what: string,
  counter: ByteCounter,
  maxBytes: number,
  announced?: number,
): Promise<Uint8Array> {
  const { signal } = counter.fetching;
  const onChunk = (chunk: Uint8Array) => {
    counter.add(chunk.length);
    // Not left to the stream: a read after the abort can wait for ever in Node 20.
    signal?.throwIfAborted();
  };
  const onBreak = failure(signal, `the download of ${what} broke off`, 'try again');
  try {
    const collector = new Collector(what, maxBytes, announced);
    return await collectStream(stream, collector, { onChunk, onBreak });
  } catch (error) {
    if (!stream.locked) stream.cancel(error).catch(() => {});
    throw error;
  }
}

/** What a rejection becomes: the reason of the signal when it was aborted, else an error of ours. */
function failure(signal: AbortSignal | undefined, message: string, hint: string) {
  return (cause: unknown): never => {
    signal?.throwIfAborted();
    throw new Pth2tfjsError('io', message, { cause, hint });
  };
}

/** The path of Node's file system that is meant; browsers take what is no URL for a relative one. */
export function pathOf(location: string): string | undefined {
  const url = nodeModule('url');
  if (url === undefined) return undefined;
  if (!isURL(location)) return location;
  if (!/^file:/i.test(location)) return undefined;
  try {
    return url.fileURLToPath(location);
  } catch (cause) {
    throw new Pth2tfjsError('io', `${withoutSecrets(location)} cannot be read`, {
      cause,
      hint: 'check the URL',
    });
  }
}

/** A letter and a colon would be a drive of Windows. */
const isURL = (location: string) => /^[a-z][a-z0-9+.-]+:/i.test(location);

interface NodeModules {
  readonly 'fs/promises': {
    stat(
      path: string,
    ): Promise<{ readonly size: number; isFile(): boolean; isDirectory(): boolean }>;
    readFile(path: string, options: { signal?: AbortSignal | undefined }): Promise<Uint8Array>;
  };
  readonly url: { fileURLToPath(url: string): string };
}

/** A module of Node's, where this is Node. */
function nodeModule<Name extends keyof NodeModules>(name: Name): NodeModules[Name] | undefined {
  const { process } = globalThis as {
    readonly process?: { getBuiltinModule?(name: string): NodeModules[Name] | undefined };
  };
  return process?.getBuiltinModule?.(`node:${name}`);
}

/** Whether something lies at a path, in Node. */
export async function exists(path: string): Promise<boolean> {
  return (await statOf(path)) !== undefined;
}

/** Whether this is the path of a folder, in Node. */
export async function isFolder(path: string): Promise<boolean> {
  return (await statOf(path))?.isDirectory() ?? false;
}

function statOf(path: string) {
  return nodeModule('fs/promises')
    ?.stat(path)
    .catch(() => undefined);
}
