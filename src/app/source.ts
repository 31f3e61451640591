import type { io } from '@tensorflow/tfjs-core';
import type { ConvertOptions } from '../convert.js';
import { Pth2tfjsError } from '../errors.js';
import type { NamedBytes } from '../tfjs/artifacts.js';
import { isHandler, weightBytes, weightPaths } from '../tfjs/load.js';
import { damaged } from '../tfjs/loaded-model.js';
import { ByteCounter, type Fetching, isPath, read, readBytes } from './read.js';

/**
 * Where a model comes from: the URL of a `model.json` (in Node also its path), the files of the folder
 * that holds it, as a folder picker gives them, or TensorFlow.js's own IOHandler; or a checkpoint
 * (`.pth`, `.safetensors`), by URL, path, `Blob` or its bytes, which is converted in memory.
 */
export type GoogLeNetSource =
  | string
  | URL
  | readonly File[]
  | FileList
  | Blob
  | Uint8Array
  | ArrayBuffer
  | io.IOHandler;

/** The model's files, wherever they come from; an IOHandler is handed through. */
export async function resolveSource(
  source: GoogLeNetSource,
  fetching: Fetching,
  options: ConvertOptions,
): Promise<readonly NamedBytes[] | io.IOHandler> {
  const counter = new ByteCounter(fetching);
  if (isHandler(source)) return source;
  if (isFiles(source)) return readPicked([...source], counter, options);
  if (typeof source !== 'string' && !(source instanceof URL)) {
    const sourceName = (source as Partial<File> | null)?.name;
    return convert(await readBytes(source, counter), counter, { sourceName, ...options });
  }
  const location = String(source);
  const bytes = await read(location, counter);
  // A model.json is text; of the containers only safetensors can start with a brace, and has zeros then.
  if (bytes[0] !== 0x7b || bytes[7] === 0) {
    return convert(bytes, counter, { sourceName: nameOf(location), ...options });
  }
  const beside = isPath(location) ? besidePath : besideURL;
  return withShards(bytes, counter, (name) => read(beside(location, name), counter));
}

/** Loads what reads checkpoints only here: apps that start from a model.json are spared it. */
async function convert(bytes: Uint8Array, counter: ByteCounter, options: ConvertOptions) {
  counter.report('convert');
  const { convertCheckpoint } = await import('../convert.js');
  const { files, warnings } = await convertCheckpoint(bytes, options);
  for (const warning of warnings) counter.fetching.onWarning?.(warning);
  return files;
}

/** A model.json, and the weight files that it names. */
async function withShards(
  modelJSON: Uint8Array,
  counter: ByteCounter,
  readShard: (name: string) => Promise<Uint8Array>,
): Promise<readonly NamedBytes[]> {
  counter.expect(weightBytes(modelJSON));
  const files: NamedBytes[] = [{ name: 'model.json', bytes: modelJSON }];
  for (const name of weightPaths(modelJSON)) files.push({ name, bytes: await readShard(name) });
  return files;
}

function isFiles(source: GoogLeNetSource): source is readonly File[] | FileList {
  return Array.isArray(source) || (typeof FileList !== 'undefined' && source instanceof FileList);
}

/** Of a picked folder, the model.json that lies nearest to its top, and what lies beside that. */
async function readPicked(
  files: readonly File[],
  counter: ByteCounter,
  options: ConvertOptions,
): Promise<readonly NamedBytes[]> {
  const depth = (file: File) => pathOf(file).split('/').length;
  const [modelJSON] = files
    .filter(({ name }) => name === 'model.json')
    .toSorted((a, b) => depth(a) - depth(b));
  const [only] = files;
  if (modelJSON === undefined && only !== undefined && files.length === 1) {
    return convert(await readBytes(only, counter), counter, { sourceName: only.name, ...options });
  }
  if (modelJSON === undefined) {
    throw new Pth2tfjsError('model', 'there is no model.json among the files', {
      hint: 'pick the folder that pth2tfjs convert wrote',
    });
  }
  return withShards(await readBytes(modelJSON, counter), counter, async (name) => {
    const path = besidePath(pathOf(modelJSON), name);
    const shard = files.find((file) => pathOf(file) === path);
    if (shard === undefined) throw damaged(`lacks the file ${name}`);
    return readBytes(shard, counter);
  });
}

/** A file's path in the folder that was picked; a bare name where it was picked for itself. */
const pathOf = (file: File): string => file.webkitRelativePath || file.name;

/** A file that lies beside another one. */
function besidePath(path: string, name: string): string {
  const [folder = ''] = /^(.*[/\\])?/s.exec(path) ?? [];
  return `${folder}${name}`;
}

/** The same by URL, relative ones too; a query stays with it. */
function besideURL(location: string, name: string): string {
  const [, folder = '', query = ''] = /^([^?#]*\/)?[^/?#]*(\?[^#]*)?/.exec(location) ?? [];
  return `${folder}${name}${query}`;
}

function nameOf(location: string): string {
  return /([^/?#]*)([?#].*)?$/.exec(location)?.[1] ?? location;
}
