import type { io } from '@tensorflow/tfjs-core';
import { concatenate } from '../bytes.js';
import type { ConvertOptions } from '../convert.js';
import { Pth2tfjsError } from '../errors.js';
import type { NamedBytes } from '../tfjs/artifacts.js';
import { isHandler, weightPaths } from '../tfjs/load.js';

/**
 * Where a model comes from: the URL of a `model.json` (in Node also its path), the files of the folder
 * that holds it, as a folder picker gives them, or TensorFlow.js's own IOHandler; or a checkpoint
 * (`.pth`, `.safetensors`), by URL, path, `Blob` or its bytes, which is converted in memory.
 */
export type GoogLeNetSource =
  | string
  | URL
  | readonly File[]
  | Blob
  | Uint8Array
  | ArrayBuffer
  | io.IOHandler;

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
}

/** The model's files, wherever they come from; an IOHandler is handed through. */
export async function resolveSource(
  source: GoogLeNetSource,
  fetching: Fetching,
  options: ConvertOptions,
): Promise<readonly NamedBytes[] | io.IOHandler> {
  const counter = new ByteCounter(fetching);
  if (Array.isArray(source)) return readPicked(source as readonly File[], counter, options);
  if (isHandler(source)) return source;
  if (typeof source !== 'string' && !(source instanceof URL)) {
    return convert(await bytesOf(source as Blob | Uint8Array | ArrayBuffer), counter, options);
  }
  const location = String(source);
  const bytes = await read(location, counter);
  // A model.json is text; of the containers only safetensors can start with a brace, and has zeros then.
  if (bytes[0] !== 0x7b || bytes[7] === 0)
    return convert(bytes, counter, { sourceName: nameOf(location), ...options });
  const shards: NamedBytes[] = [];
  for (const name of weightPaths(bytes)) {
    shards.push({ name, bytes: await read(beside(location, name), counter) });
  }
  return [{ name: 'model.json', bytes }, ...shards];
}

/** Loads what reads checkpoints only here: apps that start from a model.json are spared it. */
async function convert(bytes: Uint8Array, counter: ByteCounter, options: ConvertOptions) {
  counter.report('convert');
  const { convertCheckpoint } = await import('../convert.js');
  return (await convertCheckpoint(bytes, options)).files;
}

async function bytesOf(source: Blob | Uint8Array | ArrayBuffer): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  return new Uint8Array(source instanceof ArrayBuffer ? source : await source.arrayBuffer());
}

async function readPicked(
  files: readonly File[],
  counter: ByteCounter,
  options: ConvertOptions,
): Promise<readonly NamedBytes[]> {
  const modelJSON = files.find(({ name }) => name === 'model.json');
  if (modelJSON === undefined) {
    const [only] = files;
    if (files.length === 1 && only !== undefined) {
      return convert(await bytesOf(only), counter, { sourceName: only.name, ...options });
    }
    throw new Pth2tfjsError('model', 'there is no model.json among the files', {
      hint: 'pick the folder that pth2tfjs convert wrote',
    });
  }
  const read = async (file: File) => ({ name: file.name, bytes: await bytesOf(file) });
  return Promise.all(files.map(read));
}

/** Adds up the bytes of several downloads. */
class ByteCounter {
  private loaded = 0;
  private total: number | null = null;

  constructor(readonly fetching: Fetching) {}

  expect(bytes: number | null): void {
    this.total = bytes === null ? null : this.loaded + bytes;
  }

  add(bytes: number): void {
    this.loaded += bytes;
    this.report('download');
  }

  report(phase: LoadProgress['phase']): void {
    this.fetching.onProgress?.({ phase, loaded: this.loaded, total: this.total });
  }
}

async function read(location: string, counter: ByteCounter): Promise<Uint8Array> {
  counter.fetching.signal?.throwIfAborted();
  const files = isUrl(location) ? undefined : nodeFiles();
  if (files === undefined) return download(location, counter);
  try {
    const bytes = await files.readFile(location, { signal: counter.fetching.signal });
    counter.expect(bytes.length);
    counter.add(bytes.length);
    return bytes;
  } catch (cause) {
    counter.fetching.signal?.throwIfAborted();
    throw new Pth2tfjsError('io', `${location} cannot be read`, { cause, hint: 'check the path' });
  }
}

async function download(url: string, counter: ByteCounter): Promise<Uint8Array> {
  const { signal } = counter.fetching;
  const response = await globalThis
    .fetch(url, signal === undefined ? {} : { signal })
    .catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw new Pth2tfjsError('io', `${url} cannot be fetched`, { cause, hint: 'check the URL' });
    });
  if (!response.ok) {
    const answer = `HTTP ${response.status} ${response.statusText}`.trimEnd();
    throw new Pth2tfjsError('io', `the server answered ${answer} for ${url}`, {
      hint: 'check the URL',
    });
  }
  const length = Number(response.headers.get('content-length') ?? Number.NaN);
  counter.expect(Number.isFinite(length) ? length : null);
  const chunks: Uint8Array[] = [];
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
    chunks.push(part.value);
    counter.add(part.value.length);
    // Not left to the stream: a read after the abort can wait for ever in Node 20.
    signal?.throwIfAborted();
  }
  return concatenate(chunks);
}

const isUrl = (location: string) => /^[a-z][a-z0-9+.-]+:/i.test(location);

/** A file that lies beside another one, by URL or path; a query stays with it. */
function beside(location: string, name: string): string {
  const [, folder = '', query = ''] = /^([^?#]*\/)?[^/?#]*(\?[^#]*)?/.exec(location) ?? [];
  return `${folder}${name}${query}`;
}

function nameOf(location: string): string {
  return /([^/?#]*)([?#].*)?$/.exec(location)?.[1] ?? location;
}

interface NodeFiles {
  readFile(path: string, options: { signal?: AbortSignal | undefined }): Promise<Uint8Array>;
}

/** Node's file system, where there is one: browsers take what is no URL for a relative one. */
function nodeFiles(): NodeFiles | undefined {
  const { process } = globalThis as {
    readonly process?: { getBuiltinModule?(name: string): NodeFiles | undefined };
  };
  return process?.getBuiltinModule?.('node:fs/promises');
}
