/** A model's files, taken apart to plant a fault and put together again. */
import type { NamedBytes } from '../../src/index.js';

/** A layer of model.json, as Keras writes it. */
export interface LayerJSON {
  name: string;
  class_name: string;
  config: { padding?: unknown; activation?: unknown; [key: string]: unknown };
  /** One node, with one `[layer, node, tensor, arguments]` for each input. */
  inbound_nodes: [string, number, number, object][][];
}

/** One weight of the shards; `data` is a view that may be written to. */
export interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

interface ModelJSON {
  modelTopology: { config: { layers: LayerJSON[] } };
  weightsManifest: [{ weights: { name: string; shape: number[] }[] }];
}

function parseModel(files: readonly NamedBytes[]): ModelJSON {
  const file = files.find(({ name }) => name === 'model.json') as NamedBytes;
  return JSON.parse(new TextDecoder().decode(file.bytes)) as ModelJSON;
}

/** The files with the layers of model.json edited. */
export function editLayers(
  files: readonly NamedBytes[],
  edit: (layers: LayerJSON[]) => void,
): NamedBytes[] {
  const model = parseModel(files);
  edit(model.modelTopology.config.layers);
  const bytes = new TextEncoder().encode(JSON.stringify(model));
  return files.map((file) => (file.name === 'model.json' ? { name: file.name, bytes } : file));
}

/** The files with copies of the shards edited, in place or by what `edit` returns. */
export function editShards(
  files: readonly NamedBytes[],
  edit: (shards: Uint8Array[]) => Uint8Array[],
): NamedBytes[] {
  const shards = files.filter(({ name }) => name !== 'model.json');
  const edited = edit(shards.map(({ bytes }) => bytes.slice()));
  const replaced = new Map(shards.map(({ name }, i) => [name, edited[i] as Uint8Array]));
  return files.map(({ name, bytes }) => ({ name, bytes: replaced.get(name) ?? bytes }));
}

/** The files with their weights edited: all shards as one block of bytes. */
export function editBytes(
  files: readonly NamedBytes[],
  edit: (bytes: Uint8Array<ArrayBuffer>) => void,
): NamedBytes[] {
  return editShards(files, (shards) => {
    const whole = new Uint8Array(shards.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const shard of shards) {
      whole.set(shard, at);
      at += shard.length;
    }
    edit(whole);
    let start = 0;
    return shards.map(({ length }) => {
      start += length;
      return whole.slice(start - length, start);
    });
  });
}

/** The files with their weights edited, by their names in model.json. */
export function editWeights(
  files: readonly NamedBytes[],
  edit: (weights: ReadonlyMap<string, Weight>) => void,
): NamedBytes[] {
  const specs = parseModel(files).weightsManifest[0].weights;
  return editBytes(files, (bytes) => {
    const weights = new Map<string, Weight>();
    let at = 0;
    for (const { name, shape } of specs) {
      const length = shape.reduce((product, size) => product * size, 1);
      weights.set(name, { name, shape, data: new Float32Array(bytes.buffer, at, length) });
      at += 4 * length;
    }
    edit(weights);
  });
}
