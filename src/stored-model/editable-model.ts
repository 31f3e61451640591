import type { io } from '@tensorflow/tfjs-core';
import { HOST_IS_LITTLE_ENDIAN } from '../base/bytes.js';
import { damaged } from './damaged.js';
import { isObject } from './model-json.js';
import { assembleModel } from './open.js';
import { dequantize, type Quantization } from './quantization.js';
import { readTensors } from './stored-bytes.js';
import type { StoredModel } from './stored-model.js';

/** A layer in the JSON of a Keras model, as far as it is edited here. */
export interface LayerJSON {
  name: string;
  class_name: string;
  config: Record<string, unknown> & {
    padding?: unknown;
    strides?: unknown;
    pool_size?: unknown;
    batch_input_shape?: readonly (number | null)[];
    rate?: number;
  };
  /** `[[[layer, node, tensor, arguments], …]]`; empty for the input. */
  inbound_nodes: [string, number, number, object][][];
}

export interface Weight {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A written model taken apart: its layers and its weights. Edits make a new one. */
export interface EditableModel {
  readonly layers: readonly LayerJSON[];
  readonly weights: ReadonlyMap<string, Weight>;
  /** Everything else that model.json holds. */
  readonly rest: ModelJSON;
}

interface ModelJSON {
  readonly generatedBy?: unknown;
  readonly modelTopology: { readonly config?: { readonly layers?: LayerJSON[] } };
  readonly weightsManifest: readonly {
    readonly weights: readonly io.WeightsManifestEntry[];
  }[];
}

/**
 * Takes a layers model apart.
 * @throws Pth2tfjsError `model` when it holds no layers
 */
export function openModel({ json, specs, shards }: StoredModel): EditableModel {
  const rest = json as unknown as ModelJSON;
  const { layers } = rest.modelTopology.config ?? {};
  if (!Array.isArray(layers) || !layers.every(isLayer)) {
    throw damaged('has a model.json without layers');
  }
  const odd = specs.find(({ dtype }) => dtype !== 'float32');
  if (odd !== undefined) throw damaged(`holds ${odd.name} as ${odd.dtype}, not as float32`);
  const parts = shards.map(({ bytes }) => bytes);
  const weights = new Map<string, Weight>();
  for (const [spec, bytes] of readTensors(specs, parts)) {
    weights.set(spec.name, { shape: spec.shape, data: readWeight(spec, bytes) });
  }
  return { layers: structuredClone(layers), weights, rest };
}

/** As far as any code here asks: the rest is TensorFlow.js's business. */
function isLayer(value: unknown): value is LayerJSON {
  const { name, config } = isObject(value) ? value : {};
  return typeof name === 'string' && isObject(config);
}

/**
 * A weight's values, as loaders read them.
 * @param bytes in memory of their own
 */
export function readWeight(
  { quantization }: Pick<io.WeightsManifestEntry, 'quantization'>,
  bytes: Uint8Array,
): Float32Array {
  if (quantization !== undefined) return dequantize(bytes, quantization);
  if (!HOST_IS_LITTLE_ENDIAN) swapWords(bytes);
  return new Float32Array(bytes.buffer);
}

/** How the model's kernels are stored, where that is not float32. */
export function quantizationOf({ rest }: EditableModel): Quantization | undefined {
  return quantizationIn(rest.weightsManifest.flatMap((group) => group.weights));
}

/** The same of a weights manifest. */
export function quantizationIn(
  specs: readonly io.WeightsManifestEntry[],
): Quantization | undefined {
  return specs.find(({ quantization }) => quantization !== undefined)?.quantization?.dtype;
}

/**
 * Puts a model together again, with a file for each weight.
 * @throws Pth2tfjsError `model` where a weight is not of its shape
 */
export function closeModel({ layers, weights, rest }: EditableModel): StoredModel {
  const { config } = rest.modelTopology;
  const manifest = [...weights].map(([name, { shape }]) => ({
    paths: [name],
    weights: [{ name, shape, dtype: 'float32' }],
  }));
  const json = {
    ...rest,
    modelTopology: { ...rest.modelTopology, config: { ...config, layers: asJSON(layers) } },
    weightsManifest: manifest,
  };
  const shards = [...weights].map(([name, { data }]) => ({ name, bytes: storeWeight(data) }));
  return assembleModel(json as unknown as io.ModelJSON, shards);
}

/** As a file would hold it, which has nothing that is undefined. */
export function asJSON<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

function storeWeight(data: Float32Array): Uint8Array {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (HOST_IS_LITTLE_ENDIAN) return bytes;
  const swapped = Uint8Array.from(bytes);
  swapWords(swapped);
  return swapped;
}

function swapWords(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i += 4) bytes.subarray(i, i + 4).reverse();
}

/** The model with some weights in place of its own. */
export function withWeights(
  model: EditableModel,
  changes: ReadonlyMap<string, Float32Array>,
): EditableModel {
  const weights = new Map(model.weights);
  for (const [name, data] of changes) {
    weights.set(name, { shape: model.weights.get(name)?.shape ?? [], data });
  }
  return { ...model, weights };
}

/** The model with each layer as `edit` wants it. */
export function withLayers(
  model: EditableModel,
  edit: (layer: LayerJSON) => LayerJSON,
): EditableModel {
  return { ...model, layers: model.layers.map((layer) => edit(structuredClone(layer))) };
}

/** The layers that a layer reads from. */
export function inputsOf(layer: LayerJSON): string[] {
  return (layer.inbound_nodes[0] ?? []).map(([name]) => name);
}
