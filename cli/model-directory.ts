import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isPth2tfjsError, Pth2tfjsError } from '../src/base/errors.js';
import { isModelJSON, MAX_MODEL_JSON_BYTES } from '../src/stored-model/model-json.js';
import { besideURL, localNames, readURL } from '../src/stored-model/shard-paths.js';
import { type AnyModel, StoredOnnx } from '../src/stored-model/stored-onnx.js';
import { type ShardReader, withShards } from '../src/stored-model/with-shards.js';
import { ONNX_FILE } from '../src/targets/formats.js';
import { isOnnx } from '../src/targets/onnx/decode.js';
import { parseUrl } from './download.js';
import { inFile, readInput, usageError } from './input.js';
import { isWebURL, type Source, toPath } from './source.js';
import { STDIN } from './stdin.js';

/** Any other name will do, too, where the file itself is given. */
const MODEL_JSON = 'model.json';

/** What an argument that means a model leads to: a converted one, or a file that may be a checkpoint. */
export type Opened =
  | { readonly model: AnyModel; readonly source?: undefined }
  | { readonly source: Source; readonly model?: undefined };

/**
 * Opens a model by its folder, its `model.json` or its ONNX file, by path or URL, or else a checkpoint.
 * @throws Pth2tfjsError `model` when a file of a model is missing or makes no sense; as `readSource` does
 */
export async function openModelArgument(location: string, quiet: boolean): Promise<Opened> {
  if (isWebURL(location)) return openURL(location, quiet);
  const path = location === STDIN ? location : toPath(location);
  if (await isFolder(path)) return { model: await readModelDirectory(path) };
  const source = await readInput(path, quiet, mostFor(path));
  if (isOnnxFile(source)) return { model: await openOnnx(location, source.bytes) };
  if (source.name !== MODEL_JSON && !isModelJSON(source.bytes)) return { source };
  if (location === STDIN) {
    throw usageError('a model.json on stdin has no weight files beside it', 'pass its path');
  }
  const folder = dirname(path);
  return { model: await openModelJSON(location, source.bytes, readerOf(folder)) };
}

/**
 * Reads `model.json` and the weight files that it names back from a folder, or where there is none, `model.onnx`.
 * @throws Pth2tfjsError `model` when a file is missing or makes no sense.
 */
export async function readModelDirectory(directory: string): Promise<AnyModel> {
  const place = join(directory, MODEL_JSON);
  const onnx = join(directory, ONNX_FILE);
  if (existsSync(onnx) && !existsSync(place)) return readOnnx(onnx);
  const { bytes } = await readInput(place, true, MAX_MODEL_JSON_BYTES).catch(async (cause) => {
    throw await explain(directory, cause);
  });
  return openModelJSON(directory, bytes, readerOf(directory));
}

/** Reads an ONNX model back from its file. */
export async function readOnnx(path: string): Promise<AnyModel> {
  const { bytes } = await readInput(path, true);
  return openOnnx(path, bytes);
}

function openOnnx(name: string, bytes: Uint8Array): Promise<StoredOnnx> {
  return inFile(name, async () => new StoredOnnx(bytes));
}

/** By its name too, so that what goes wrong with a broken one is said of ONNX. */
function isOnnxFile({ name, bytes }: Source): boolean {
  return isOnnx(bytes) || Boolean(name?.endsWith('.onnx'));
}

async function openURL(url: string, quiet: boolean): Promise<Opened> {
  parseUrl(url);
  const read = (location: string) => readInput(location, quiet, mostFor(location));
  const { location, file } = await readURL(url, read);
  if (isOnnxFile(file)) return { model: await openOnnx(url, file.bytes) };
  if (file.name !== MODEL_JSON && !isModelJSON(file.bytes)) return { source: file };
  const readShard: ReadShard = async (path, most) =>
    (await readInput(besideURL(location, path), quiet, most)).bytes;
  return { model: await openModelJSON(url, file.bytes, readShard) };
}

function mostFor(location: string): number | undefined {
  return /\.json(?:[?#]|$)/.test(location) ? MAX_MODEL_JSON_BYTES : undefined;
}

type ReadShard = ShardReader['read'];

/** @param name of the model, for what goes wrong */
function openModelJSON(name: string, modelJSON: Uint8Array, read: ReadShard) {
  return inFile(name, () => withShards(modelJSON, { read }));
}

function readerOf(folder: string): ReadShard {
  return async (path, most) => {
    const places = localNames(path).map((name) => join(folder, name));
    const place = places.find((each) => existsSync(each));
    if (place !== undefined) return (await readInput(place, true, most)).bytes;
    throw new Pth2tfjsError('model', `the folder lacks ${path}, which the ${MODEL_JSON} names`, {
      hint: 'convert the checkpoint again',
    });
  };
}

async function explain(directory: string, cause: unknown): Promise<unknown> {
  if (!isPth2tfjsError(cause) || cause.code !== 'io') return cause;
  const fault = (text: string, hint: string) => new Pth2tfjsError('model', text, { hint, cause });
  const folder = await stat(directory).catch(() => undefined);
  const hint = 'pass a folder that pth2tfjs convert wrote';
  if (folder === undefined) {
    const where = 'check the spelling, and the folder that the path is relative to';
    return fault(`no such folder: ${directory}`, where);
  }
  if (existsSync(join(directory, MODEL_JSON))) return cause;
  if (existsSync(join(directory, 'data.pkl'))) {
    return fault(
      `${directory} is an unzipped checkpoint`,
      'pass the .pth file, or pack the folder again with zip -0 -r',
    );
  }
  return fault(`${directory} holds no ${MODEL_JSON} and no ${ONNX_FILE}`, hint);
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}
