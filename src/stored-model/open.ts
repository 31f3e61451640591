import type { io } from '@tensorflow/tfjs-core';
import type { NamedBytes } from './artifacts.js';
import { checkShards, isRightSize } from './check-shards.js';
import { damaged } from './damaged.js';
import { parseModelJSON, totalBytes } from './model-json.js';
import { localNames, weightPaths } from './shard-paths.js';
import { StoredModel } from './stored-model.js';

/**
 * Opens a model by its files: `model.json`, and the weight files that this names.
 * @throws Pth2tfjsError `model` when files are missing or short, or make no sense
 */
export function openStoredModel(files: readonly NamedBytes[]): StoredModel {
  return rightlySized(findFiles(files));
}

/**
 * The same, and where a weight file is another one, this names it and what it is instead.
 * @throws Pth2tfjsError as {@link openStoredModel} does
 */
export async function readStoredModel(files: readonly NamedBytes[]): Promise<StoredModel> {
  const model = findFiles(files);
  await checkShards(model);
  return model;
}

/**
 * Puts a model together in memory.
 * @throws Pth2tfjsError `model` where the weight files are longer or shorter than the model.json says
 */
export function assembleModel(json: io.ModelJSON, shards: readonly NamedBytes[]): StoredModel {
  return rightlySized(new StoredModel(json, shards));
}

function rightlySized(model: StoredModel): StoredModel {
  if (isRightSize(model)) return model;
  const { specs, weightBytes } = model;
  throw damaged(
    `has ${weightBytes} bytes of weights, where model.json describes ${totalBytes(specs)}`,
  );
}

function findFiles(files: readonly NamedBytes[]): StoredModel {
  const byName = new Map(files.map(({ name, bytes }) => [name, bytes]));
  const text = files.find(({ name }) => name === 'model.json')?.bytes;
  if (text === undefined) throw damaged('lacks the file model.json');
  const json = parseModelJSON(text);
  const shards = weightPaths(json).map((path): NamedBytes => {
    const bytes = [path, ...localNames(path)].map((name) => byName.get(name)).find(Boolean);
    if (bytes === undefined) throw damaged(`lacks the file ${path}`);
    return { name: path, bytes };
  });
  return new StoredModel(json, shards, text.length);
}
