import type { io } from '@tensorflow/tfjs-core';
import { Pth2tfjsError } from '../base/errors.js';
import type { NamedBytes } from './artifacts.js';
import { damaged } from './damaged.js';
import { isText } from './is-text.js';
import { parseModelJSON, totalBytes } from './model-json.js';
import { localNames, weightPaths } from './shard-paths.js';
import { StoredModel } from './stored-model.js';

/**
 * Opens a model by its files: `model.json`, and the weight files that this names.
 * @throws Pth2tfjsError `model` when files are missing or short, or make no sense
 */
export function openStoredModel(files: readonly NamedBytes[]): StoredModel {
  const model = findFiles(files);
  const found = weightBytes(model);
  if (isRightSize(model.specs, found)) return model;
  const expected = totalBytes(model.specs);
  throw damaged(`has ${found} bytes of weights, where model.json describes ${expected}`);
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

/**
 * Checks that the weight files are those that model.json describes.
 * @throws Pth2tfjsError `model`, naming the file that is wrong and what it is instead
 */
export async function checkShards(model: StoredModel): Promise<void> {
  const { specs, shards } = model;
  const rightSize = isRightSize(specs, weightBytes(model));
  // Apps whose models are sound are spared what tells files apart.
  if (rightSize && !shards.some(({ bytes }) => isText(bytes))) return;
  const { whatIsWrong } = await import('./wrong-shard.js');
  const wrong = whatIsWrong(shards, rightSize ? null : totalBytes(specs));
  if (wrong === null) return;
  throw new Pth2tfjsError('model', wrong.message, { hint: wrong.hint });
}

function weightBytes({ shards }: StoredModel): number {
  return shards.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

/** Strings are stored with their lengths, and nothing else tells those. */
function isRightSize(specs: readonly io.WeightsManifestEntry[], size: number): boolean {
  const expected = totalBytes(specs);
  return specs.some(({ dtype }) => dtype === 'string') ? size >= expected : size === expected;
}
