import type { io } from '@tensorflow/tfjs-core';
import { HOST_IS_LITTLE_ENDIAN } from '../base/bytes.js';
import { describeGraph, describeModel, type ModelOptions } from '../describe-model.js';
import { anatomyOf } from '../network/expected.js';
import type { StoredTensor } from '../network/plan.js';
import { NETWORK } from '../networks/index.js';
import type { InputKind } from '../targets/formats.js';
import { asJSON } from './editable-model.js';
import { assembleModel } from './open.js';
import { shapesIn } from './read-options.js';
import { readTensors } from './stored-bytes.js';
import type { StoredModel } from './stored-model.js';

/** A graph, which runs as a whole, and the layers model of the same weights, which can be edited. */
export interface Graph {
  /** Null where TensorFlow.js does not run it. */
  readonly model: StoredModel | null;
  /** The network's layers with the graph's weights, for normalised images. */
  readonly layers: StoredModel;
  /** Nodes and constants that are not as `convert` writes them. */
  readonly odd: readonly string[];
}

interface Stored {
  readonly spec: io.WeightsManifestEntry;
  readonly bytes: Uint8Array;
}

/**
 * Makes a layers model of a graph model's weights.
 * @returns null where they are not called or not shaped as the network's
 */
export function openGraph(model: StoredModel): Graph | null {
  const { json, specs, shards } = model;
  const parts = shards.map(({ bytes }) => bytes);
  const stored = new Map<string, Stored>();
  for (const [spec, bytes] of readTensors(specs, parts)) stored.set(spec.name, { spec, bytes });
  const found = readOptions(json, stored);
  if (found === null) return null;
  const { topology, tensors } = describeModel(found.options);
  const own = tensors.map((tensor) => {
    const weight = stored.get(tensor.name) ?? constant(tensor);
    return String(weight?.spec.shape) === String(tensor.shape) ? weight : undefined;
  });
  if (!own.every((each) => each !== undefined)) return null;
  const { signature: _, ...rest } = json;
  const layers = {
    ...rest,
    format: 'layers-model',
    modelTopology: asJSON(topology),
    weightsManifest: own.map(({ spec }) => ({ paths: [spec.name], weights: [spec] })),
  };
  return {
    model,
    layers: assembleModel(
      layers,
      own.map(({ spec, bytes }) => ({ name: spec.name, bytes })),
    ),
    odd: oddNodes(json, stored, found),
  };
}

interface Found {
  readonly options: ModelOptions;
  readonly input: InputKind;
}

/** What the graph takes and gives, and which of the networks it is; null where that cannot be told. */
function readOptions(json: io.ModelJSON, stored: ReadonlyMap<string, Stored>): Found | null {
  const { inputs = {} } = (json.signature ?? {}) as {
    readonly inputs?: Readonly<
      Record<string, { dtype?: string; tensorShape?: { dim?: readonly { size: string }[] } }>
    >;
  };
  const [image] = Object.values(inputs);
  const imageSize = Number(image?.tensorShape?.dim?.[1]?.size);
  const shapeOf = shapesIn((name) => stored.get(name)?.spec.shape, true);
  const numClasses = shapeOf(`${anatomyOf(NETWORK).classifier}.weight`)?.[0] ?? 0;
  if (!(imageSize > 0) || !(numClasses > 0)) return null;
  const input = image?.dtype === 'DT_INT32' ? 'pixels' : 'normalized';
  const transformInput =
    input === 'pixels'
      ? normalizesTransformed(stored)
      : stored.has('transform_input/depthwise_kernel');
  const variant = NETWORK.variant(shapeOf);
  return { input, options: { imageSize, numClasses, ...variant, transformInput } };
}

/** With transform_input, pixels are scaled to [-1, 1], by 1 / 127.5; without, by 1 / (255 · std), twice as much. */
function normalizesTransformed(stored: ReadonlyMap<string, Stored>): boolean {
  const bytes = stored.get('normalized/scale')?.bytes;
  if (bytes === undefined || bytes.length < 4) return false;
  const scale = new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
  return scale < 1.5 / 127.5;
}

/** transform_input's own constants, which a graph that takes pixels has in its normalisation. */
function constant({ name, shape, recipe }: StoredTensor): Stored | undefined {
  if (recipe.type !== 'constant') return undefined;
  const spec = { name, shape: [...shape], dtype: 'float32' as const };
  return { spec, bytes: littleEndian(recipe.values()) };
}

function littleEndian(values: Float32Array | Int32Array): Uint8Array {
  const bytes = new Uint8Array(values.buffer);
  if (!HOST_IS_LITTLE_ENDIAN) {
    for (let i = 0; i < bytes.length; i += 4) bytes.subarray(i, i + 4).reverse();
  }
  return bytes;
}

function oddNodes(
  { modelTopology }: io.ModelJSON,
  stored: ReadonlyMap<string, Stored>,
  { options, input }: Found,
): string[] {
  const { topology, constants } = describeGraph(options, input);
  const [actual, expected] = [modelTopology, topology].map(nodesOf) as [Nodes, Nodes];
  const nodes = [...new Set([...expected.keys(), ...actual.keys()])].filter(
    (name) => actual.get(name) !== expected.get(name),
  );
  const changed = constants.filter(({ name, dtype, values }) => {
    const right = littleEndian(
      dtype === 'int32' ? Int32Array.from(values) : Float32Array.from(values),
    );
    return String(stored.get(name)?.bytes) !== String(right);
  });
  return [...nodes, ...changed.map(({ name }) => name)];
}

type Nodes = ReadonlyMap<string, string>;

/** What each node does, in one text. */
function nodesOf(topology: unknown): Nodes {
  const { node } = topology as { readonly node: readonly Readonly<Record<string, unknown>>[] };
  return new Map(
    node.map(({ name, op, input = [], attr = {} }) => {
      const attributes = Object.entries(attr as object).sort(([a], [b]) => (a < b ? -1 : 1));
      return [String(name), JSON.stringify([op, input, attributes])];
    }),
  );
}
