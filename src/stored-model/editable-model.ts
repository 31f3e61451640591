import type { io } from '@tensorflow/tfjs-core';
import { concatenate, HOST_IS_LITTLE_ENDIAN } from '../base/bytes.js';
import { readFiles } from '../runtimes/tfjs/load.js';
import { damaged } from '../runtimes/tfjs/loaded-model.js';
import { dequantize, type Quantization } from '../targets/quantize.js';
import type { NamedBytes } from './artifacts.js';
import { isObject } from './model-json.js';
import { storedBytes } from './stored-bytes.js';

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
 * Takes the files of a layers model apart.
 * @throws Pth2tfjsError `model` when files are missing or short, or hold no layers
 */
export function openModel(files: readonly NamedBytes[]): EditableModel {
  const { json, specs, data } = readFiles(files);
  const rest = json as unknown as ModelJSON;
  const { layers } = rest.modelTopology.config ?? {};
  if (!Array.isArray(layers) || !layers.every(isLayer)) {
    throw damaged('has a model.json without layers');
  }
  const odd = specs.find(({ dtype }) => dtype !== 'float32');
  if (odd !== undefined) throw damaged(`holds ${odd.name} as ${odd.dtype}, not as float32`);
  const weights = new Map<string, Weight>();
  let at = 0;
  for (const spec of specs) {
    const end = at + storedBytes(spec);
    weights.set(spec.name, { shape: spec.shape, data: readWeight(spec, data.slice(at, end)) });
    at = end;
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
  { quantization }: io.WeightsManifestEntry,
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

/** Puts a model together again, as `model.json` and one file of weights. */
export function closeModel({ layers, weights, rest }: EditableModel): NamedBytes[] {
  const { config } = rest.modelTopology;
  const manifest = [
    {
      paths: ['weights.bin'],
      weights: [...weights].map(([name, { shape }]) => ({ name, shape, dtype: 'float32' })),
    },
  ];
  const json = {
    ...rest,
    modelTopology: { ...rest.modelTopology, config: { ...config, layers } },
    weightsManifest: manifest,
  };
  const bytes = concatenate(
    [...weights.values()].map(
      ({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    ),
  );
  if (!HOST_IS_LITTLE_ENDIAN) swapWords(bytes);
  return [
    { name: 'model.json', bytes: new TextEncoder().encode(JSON.stringify(json)) },
    { name: 'weights.bin', bytes },
  ];
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
