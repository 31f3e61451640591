import { concatenate } from '../bytes.js';
import { Pth2tfjsError } from '../errors.js';
import type { OnWarning } from '../warn.js';

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
 * @throws Pth2tfjsError `io` where it cannot be read; the reason of `signal` when it is aborted
 */
export async function read(location: string, counter: ByteCounter): Promise<Uint8Array> {
  const { signal } = counter.fetching;
  signal?.throwIfAborted();
  const files = nodeFiles();
  if (files === undefined || isURL(location)) return download(location, counter);
  const failed = failure(signal, `${location} cannot be read`, 'check the path');
  return counter.whole(await files.readFile(location, { signal }).catch(failed));
}

/**
 * The bytes of what holds them already.
 * @throws Pth2tfjsError `usage` for anything else
 */
export async function readBytes(
  source: Blob | Uint8Array | ArrayBuffer,
  counter: ByteCounter,
): Promise<Uint8Array> {
  const { signal } = counter.fetching;
  signal?.throwIfAborted();
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

async function download(url: string, counter: ByteCounter): Promise<Uint8Array> {
  const { signal } = counter.fetching;
  const response = await globalThis
    .fetch(url, signal === undefined ? {} : { signal })
    .catch(failure(signal, `${url} cannot be fetched`, 'check the URL'));
  if (!response.ok) {
    const answer = `HTTP ${response.status} ${response.statusText}`.trimEnd();
    throw new Pth2tfjsError('io', `the server answered ${answer} for ${url}`, {
      hint: 'check the URL',
    });
  }
  const length = response.headers.get('content-length');
  const compressed = response.headers.has('content-encoding');
  if (length !== null && !compressed) counter.expectFirst(Number(length));
  const broken = failure(signal, `the download of ${url} broke off`, 'try again');
  const chunks: Uint8Array[] = [];
  const reader = response.body?.getReader();
  const next = () => reader?.read().catch(broken);
  for (let part = await next(); part?.value !== undefined; part = await next()) {
    chunks.push(part.value);
    counter.add(part.value.length);
    // Not left to the stream: a read after the abort can wait for ever in Node 20.
    signal?.throwIfAborted();
  }
  return concatenate(chunks);
}

/** What a rejection becomes: the reason of the signal when it was aborted, else an error of ours. */
function failure(signal: AbortSignal | undefined, message: string, hint: string) {
  return (cause: unknown): never => {
    signal?.throwIfAborted();
    throw new Pth2tfjsError('io', message, { cause, hint });
  };
}

/** Whether this is a path of Node's file system; browsers take what is no URL for a relative one. */
export const isPath = (location: string) => !isURL(location) && nodeFiles() !== undefined;

/** A letter and a colon would be a drive of Windows. */
const isURL = (location: string) => /^[a-z][a-z0-9+.-]+:/i.test(location);

interface NodeFiles {
  readFile(path: string, options: { signal?: AbortSignal | undefined }): Promise<Uint8Array>;
}

/** Node's file system, where there is one. */
function nodeFiles(): NodeFiles | undefined {
  const { process } = globalThis as {
    readonly process?: { getBuiltinModule?(name: string): NodeFiles | undefined };
  };
  return process?.getBuiltinModule?.('node:fs/promises');
}
