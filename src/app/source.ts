import type { io } from '@tensorflow/tfjs-core';
import { Pth2tfjsError } from '../base/errors.js';
import { MAX_CHECKPOINT_BYTES } from '../base/limits.js';
import type { ConvertOptions } from '../convert-options.js';
import { isHandler } from '../runtimes/tfjs/load.js';
import { damaged } from '../stored-model/damaged.js';
import { isModelJSON, MAX_MODEL_JSON_BYTES } from '../stored-model/model-json.js';
import { besideURL, type Found, localNames, readURL } from '../stored-model/shard-paths.js';
import type { AnyModel } from '../stored-model/stored-onnx.js';
import { withShards } from '../stored-model/with-shards.js';
import {
  ByteCounter,
  type BytesSource,
  exists,
  type Fetching,
  isFolder,
  pathOf,
  read,
  readBytes,
} from './read.js';

/**
 * Where a model comes from: the URL of a `model.json` or its folder (in Node also its path), the files of the
 * folder that holds it, as a folder picker gives them, or TensorFlow.js's own IOHandler; an ONNX file; or a
 * checkpoint (`.pth`, `.safetensors`), which is converted in memory. Files may come by URL, path, `Blob`, stream,
 * `Response` or as their bytes. Nothing over 1 GiB is read.
 */
export type GoogLeNetSource =
  | string
  | URL
  | readonly File[]
  | FileList
  | BytesSource
  | io.IOHandler;

/**
 * The model, wherever it comes from; an IOHandler is handed through.
 * @param options a checkpoint is converted to the format that they name
 */
export async function resolveSource(
  source: GoogLeNetSource,
  fetching: Fetching,
  options: ConvertOptions,
): Promise<AnyModel | io.IOHandler> {
  const counter = new ByteCounter(fetching);
  if (isHandler(source)) return source;
  if (isFiles(source)) return readPicked([...source], counter, options);
  if (typeof source !== 'string' && !(source instanceof URL)) {
    const sourceName = (source as Partial<File> | null)?.name;
    const bytes = await readBytes(source, counter);
    if (isModelJSON(bytes)) throw withoutShards();
    if (isOnnx(bytes)) return openOnnx(bytes);
    return convert(bytes, counter, { sourceName, ...options });
  }
  const { location, file } = await readLocation(String(source), counter);
  const { bytes } = file;
  const name = nameOf(location);
  if (isOnnx(bytes) || name.endsWith('.onnx')) return openOnnx(bytes);
  if (name !== MODEL_JSON && !isModelJSON(bytes)) {
    return convert(bytes, counter, { sourceName: name, ...options });
  }
  return withShards(bytes, {
    read: (path, most) => readBeside(location, path, counter, most),
    expect: (total) => counter.expect(total),
  });
}

function withoutShards(): Pth2tfjsError {
  return new Pth2tfjsError('model', 'a model.json alone has no weight files beside it', {
    hint: 'pass its URL, or the files of its folder',
  });
}

/** What convert writes, and TensorFlow.js; any other name will do, too. */
const MODEL_JSON = 'model.json';

/** A file, or the model.json of a folder. */
async function readLocation(location: string, counter: ByteCounter): Promise<Found<Read>> {
  const path = pathOf(location);
  if (path === undefined) return readURL(location, (url) => readFile(url, counter));
  const file = (await isFolder(path)) ? besidePath(`${path}/`, MODEL_JSON) : path;
  return { location: file, file: await readFile(file, counter) };
}

interface Read {
  readonly bytes: Uint8Array;
}

async function readFile(location: string, counter: ByteCounter): Promise<Read> {
  const most = nameOf(location).endsWith('.json') ? MAX_MODEL_JSON_BYTES : MAX_CHECKPOINT_BYTES;
  return { bytes: await read(location, counter, most) };
}

/** As `StoredOnnx` checks in full; loaded only for what starts like one. */
function isOnnx(bytes: Uint8Array): boolean {
  return bytes[0] === IR_VERSION_TAG && !(bytes[7] === 0 && bytes[8] === OPENING_BRACE);
}

const IR_VERSION_TAG = 8;
/** Where a safetensors file has it. */
const OPENING_BRACE = 0x7b;

async function openOnnx(bytes: Uint8Array): Promise<AnyModel> {
  const { StoredOnnx } = await import('../stored-model/stored-onnx.js');
  return new StoredOnnx(bytes);
}

/** Loads what reads checkpoints only here: apps that start from a model.json are spared it. */
async function convert(
  bytes: Uint8Array,
  counter: ByteCounter,
  options: ConvertOptions,
): Promise<AnyModel> {
  counter.report('convert');
  const { convertCheckpoint } = await import('../convert.js');
  const { files, warnings } = await convertCheckpoint(bytes, options);
  for (const warning of warnings) counter.fetching.onWarning?.(warning);
  const { openAnyModel } = await import('../stored-model/open-any.js');
  return openAnyModel(files);
}

async function readBeside(modelJSON: string, path: string, counter: ByteCounter, most: number) {
  const local = pathOf(modelJSON);
  if (local === undefined) return read(besideURL(modelJSON, path), counter, most);
  const places = localNames(path).map((name) => besidePath(local, name));
  for (const place of places) if (await exists(place)) return read(place, counter, most);
  throw damaged(`lacks the file ${path}`);
}

function isFiles(source: GoogLeNetSource): source is readonly File[] | FileList {
  return Array.isArray(source) || (typeof FileList !== 'undefined' && source instanceof FileList);
}

/** Of a picked folder, the model.json that lies nearest to its top, and what lies beside that. */
async function readPicked(
  files: readonly File[],
  counter: ByteCounter,
  options: ConvertOptions,
): Promise<AnyModel> {
  const modelJSON = pickModelJSON(files);
  const [only] = files;
  if (modelJSON === undefined && only !== undefined && files.length === 1) {
    const bytes = await readBytes(only, counter);
    if (isOnnx(bytes)) return openOnnx(bytes);
    return convert(bytes, counter, { sourceName: only.name, ...options });
  }
  if (modelJSON === undefined) {
    throw new Pth2tfjsError('model', 'there is no model.json among the files', {
      hint: 'pick the folder that pth2tfjs convert wrote',
    });
  }
  const json = await readBytes(modelJSON, counter, MAX_MODEL_JSON_BYTES);
  return withShards(json, {
    read: async (path, most) => {
      const shard = pickShard(files, modelJSON, path);
      if (shard === undefined) throw damaged(`lacks the file ${path}`);
      return readBytes(shard, counter, most);
    },
    expect: (total) => counter.expect(total),
  });
}

function pickModelJSON(files: readonly File[]): File | undefined {
  const depth = (file: File) => pickedPath(file).split('/').length;
  const [nearest] = files
    .filter(({ name }) => name === MODEL_JSON)
    .toSorted((a, b) => depth(a) - depth(b));
  const [text, ...more] = files.filter(({ name }) => name.endsWith('.json'));
  return nearest ?? (more.length === 0 ? text : undefined);
}

/** By its path, or where the files were picked one by one, by its name, as TensorFlow.js does. */
function pickShard(files: readonly File[], modelJSON: File, path: string): File | undefined {
  const names = localNames(path);
  const places = names.map((name) => besidePath(pickedPath(modelJSON), name));
  const found = files.find((file) => places.includes(pickedPath(file)));
  const bare = names.map((name) => name.slice(name.lastIndexOf('/') + 1));
  const [named, ...others] = files.filter(({ name }) => bare.includes(name));
  return found ?? (others.length === 0 ? named : undefined);
}

/** A file's path in the folder that was picked; a bare name where it was picked for itself. */
const pickedPath = (file: File): string => file.webkitRelativePath || file.name;

/** A file that lies beside another one. */
function besidePath(path: string, name: string): string {
  const [folder = ''] = /^(.*[/\\])?/s.exec(path) ?? [];
  return `${folder}${name}`;
}

function nameOf(location: string): string {
  return /([^/?#]*)([?#].*)?$/.exec(location)?.[1] ?? location;
}
