import {
  describeModel,
  describeTrainable,
  inferenceGraph,
  trainingGraph,
} from '../describe-model.js';
import { prune } from '../network/fold.js';
import type { StoredTensor } from '../network/plan.js';
import type { Graph } from '../network/trace.js';
import { toOIHW } from '../numbers/layout.js';
import { asJSON, type EditableModel, openModel } from './editable-model.js';
import { openGraph } from './layers-of-graph.js';
import { openOnnxGraph } from './layers-of-onnx.js';
import type { QuantizationSpec } from './quantization.js';
import { isFolded, readOptions } from './read-options.js';
import type { AnyModel } from './stored-onnx.js';

/** A stored model as the network's own graph, with the numbers that it holds. */
export interface StoredNetwork {
  /** For normalised images. */
  readonly graph: Graph;
  /** Whether convolutions hold the BatchNorm after them. */
  readonly folded: boolean;
  /** A tensor by the key of a state dict; kernels OIHW. */
  readonly read: (key: string) => Float32Array;
  /** How that tensor is stored, where that is in less than float32. */
  readonly quantizationOf: (key: string) => QuantizationSpec | undefined;
}

/**
 * Reads a model back into the network's graph.
 * @returns null where its layers or nodes are not those that `convert` writes
 */
export function readStoredNetwork(stored: AnyModel): StoredNetwork | null {
  const layers = layersOf(stored);
  if (layers === null) return null;
  const model = openModel(layers);
  const folded = isFolded(model);
  const options = readOptions(model, folded);
  const { topology, tensors } = folded ? describeModel(options) : describeTrainable(options);
  if (!sameLayers(model, asJSON(topology))) return null;
  const values = new Map<string, Float32Array>();
  const quantized = new Map<string, QuantizationSpec>();
  const specs = new Map(
    model.rest.weightsManifest.flatMap(({ weights }) => weights.map((spec) => [spec.name, spec])),
  );
  for (const tensor of tensors) {
    const found = model.weights.get(tensor.name);
    const key = keyOf(tensor);
    if (key === undefined) continue;
    if (found === undefined || String(found.shape) !== String(tensor.shape)) return null;
    const { quantization } = specs.get(tensor.name) ?? {};
    if (quantization !== undefined) quantized.set(key, quantization);
    const { recipe } = tensor;
    const oihw = recipe.type === 'constant' ? undefined : recipe.oihw;
    values.set(key, oihw === undefined ? found.data : toOIHW(found.data, oihw));
  }
  return {
    graph: folded ? inferenceGraph(options) : prune(trainingGraph(options)),
    folded,
    read: (key) => values.get(key) as Float32Array,
    quantizationOf: (key) => quantized.get(key),
  };
}

function layersOf(stored: AnyModel) {
  if (stored.format === 'layers') return stored;
  const graph = stored.format === 'onnx' ? openOnnxGraph(stored) : openGraph(stored);
  return graph === null || graph.odd.length > 0 ? null : graph.layers;
}

/** What a tensor is in a state dict; a folded one is its convolution's. */
function keyOf({ recipe }: StoredTensor): string | undefined {
  if (recipe.type === 'copy') return recipe.key;
  if (recipe.type === 'constant') return undefined;
  return `${recipe.conv.module}.${recipe.part === 'kernel' ? 'weight' : 'bias'}`;
}

/** Layers may have more in their configuration than is written here, but nothing else. */
function sameLayers({ layers }: EditableModel, topology: unknown): boolean {
  const own = (topology as { config: { layers: EditableModel['layers'] } }).config.layers;
  return own.length === layers.length && own.every((layer, i) => holds(layers[i], layer));
}

function holds(actual: unknown, expected: unknown): boolean {
  if (typeof expected !== 'object' || expected === null) return Object.is(actual, expected);
  if (typeof actual !== 'object' || actual === null) return false;
  return Object.entries(expected).every(([key, value]) => holds(Reflect.get(actual, key), value));
}
