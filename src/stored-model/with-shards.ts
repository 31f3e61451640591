import { isPth2tfjsError, Pth2tfjsError } from '../base/errors.js';
import type { NamedBytes } from './artifacts.js';
import { checkShards } from './check-shards.js';
import { readModelJSON, specsOf, totalBytes } from './model-json.js';
import { weightPaths } from './shard-paths.js';
import { StoredModel } from './stored-model.js';

/** So much longer may a weight file be than model.json says, to be read and named for what it is. */
const SLACK = 2 ** 20;

export interface ShardReader {
  /** Fetches the weight file of a path in model.json; `limit` for more bytes. */
  readonly read: (path: string, maxBytes: number) => Promise<Uint8Array>;
  /** Told how many bytes the weight files have in all. */
  readonly expect?: (bytes: number) => void;
}

/**
 * Opens a model by its model.json, whatever its file is called, and fetches the weight files that this names.
 * @throws Pth2tfjsError `model` for what is no model.json, and for a weight file that is not the one it describes
 */
export async function withShards(
  modelJSON: Uint8Array,
  { read, expect }: ShardReader,
): Promise<StoredModel> {
  const json = await readModelJSON(modelJSON);
  const paths = weightPaths(json);
  const total = totalBytes(specsOf(json));
  expect?.(total);
  const shards: NamedBytes[] = [];
  let left = total;
  for (const name of paths) {
    const bytes = await read(name, left + SLACK).catch((error) => {
      throw isPth2tfjsError(error) && error.code === 'limit' ? tooLong(name, total, error) : error;
    });
    left = Math.max(0, left - bytes.length);
    shards.push({ name, bytes });
  }
  const model = new StoredModel(json, shards, modelJSON.length);
  await checkShards(model);
  return model;
}

function tooLong(name: string, total: number, cause: unknown): Pth2tfjsError {
  const text = `the model has a longer file as ${name} than the ${total} bytes of weights that its model.json describes`;
  return new Pth2tfjsError('model', text, {
    hint: 'copy the file again from where the model was written, or convert the checkpoint again',
    cause,
  });
}
