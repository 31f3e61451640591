import type { io } from '@tensorflow/tfjs-core';
import { HOST_IS_LITTLE_ENDIAN } from '../base/bytes.js';
import { describeModel, describeOnnxModel, type ModelOptions } from '../describe-model.js';
import type { Recipe } from '../network/plan.js';
import { NETWORK } from '../networks/index.js';
import { toHWIO } from '../numbers/layout.js';
import type { ReadModel, ReadTensor } from '../targets/onnx/decode.js';
import { littleEndianBytes } from './artifacts.js';
import { asJSON } from './editable-model.js';
import type { Graph } from './layers-of-graph.js';
import { assembleModel } from './open.js';
import { dequantize } from './quantization.js';
import { quantize } from './quantize.js';
import type { StoredOnnx } from './stored-onnx.js';

/**
 * Makes a layers model of an ONNX model's weights, in which a cause can be looked for.
 * @returns null where they are not called or not shaped as the network's
 */
export function openOnnxGraph(stored: StoredOnnx): Graph | null {
  const options = readOptions(stored);
  if (options === null) return null;
  const { topology, tensors } = describeModel(options);
  const specs: io.WeightsManifestEntry[] = [];
  const files: { name: string; bytes: Uint8Array }[] = [];
  for (const { name, shape, recipe } of tensors) {
    const weight = readWeight(stored.model, recipe);
    if (weight === null || weight.values.length !== shape.reduce((a, b) => a * b, 1)) return null;
    const { values, isHalf } = weight;
    const { bytes, spec } = isHalf
      ? quantize(name, values, 'float16')
      : { bytes: littleEndianBytes(values), spec: undefined };
    const quantization = spec === undefined ? {} : { quantization: spec };
    specs.push({ name, shape: [...shape], dtype: 'float32', ...quantization });
    files.push({ name, bytes });
  }
  const layers = {
    format: 'layers-model',
    generatedBy: stored.model.producer,
    convertedBy: null,
    modelTopology: asJSON(topology),
    weightsManifest: specs.map((spec) => ({ paths: [spec.name], weights: [spec] })),
  };
  return { model: null, layers: assembleModel(layers, files), odd: oddNodes(stored, options) };
}

/** Which of the networks it is; null where that cannot be told. */
function readOptions({ model, signature, provenance }: StoredOnnx): ModelOptions | null {
  const { imageSize, numClasses, kind } = signature;
  const shapeOf = (key: string) => find(model, key)?.shape;
  const { min, max } = NETWORK.imageSizes;
  if (imageSize < min || imageSize > max || provenance === null) return null;
  const transformInput =
    kind === 'pixels' ? provenance.transformInput : model.tensors.has('transform_input.scale');
  return { imageSize, numClasses, ...NETWORK.variant(shapeOf), transformInput };
}

function find({ tensors }: ReadModel, key: string): ReadTensor | undefined {
  return tensors.get(key) ?? tensors.get(`${key}.float16`);
}

/** A tensor of the layers model as the ONNX model has it; null where it does not. */
function readWeight(
  model: ReadModel,
  recipe: Recipe,
): { readonly values: Float32Array; readonly isHalf: boolean } | null {
  if (recipe.type === 'constant') return { values: recipe.values(), isHalf: false };
  const key =
    recipe.type === 'copy'
      ? recipe.key
      : `${recipe.conv.module}.${recipe.part === 'kernel' ? 'weight' : 'bias'}`;
  const tensor = find(model, key);
  const isHalf = tensor?.type === 'float16';
  if (tensor === undefined || !(isHalf || tensor.type === 'float32')) return null;
  const values = isHalf ? dequantize(tensor.bytes, { dtype: 'float16' }) : readFloats(tensor.bytes);
  const { oihw } = recipe;
  if (oihw === undefined) return { values, isHalf };
  if (values.length !== oihw.reduce((a, b) => a * b, 1)) return null;
  return { values: toHWIO(values, oihw), isHalf };
}

function readFloats(bytes: Uint8Array): Float32Array {
  const own = bytes.slice();
  if (!HOST_IS_LITTLE_ENDIAN) {
    for (let i = 0; i + 4 <= own.length; i += 4) own.subarray(i, i + 4).reverse();
  }
  return new Float32Array(own.buffer, 0, Math.floor(own.length / 4));
}

/** Nodes and constants that are not as `convert` writes them. */
function oddNodes({ model, signature }: StoredOnnx, options: ModelOptions): string[] {
  const expected = describeOnnxModel(options, signature.kind);
  const halves = [...model.tensors.keys()].filter((name) => name.endsWith('.float16'));
  const casts = halves.map((name) => ({
    ...{ op: 'Cast', name, inputs: [name], attributes: { to: 1 } },
    output: name.replace(/\.float16$/, ''),
  }));
  const own = nodesOf(
    [...casts, ...expected.nodes].map(({ output, ...node }) => ({ ...node, outputs: [output] })),
  );
  const actual = nodesOf(model.nodes);
  const nodes = [...new Set([...own.keys(), ...actual.keys()])].filter(
    (name) => own.get(name) !== actual.get(name),
  );
  const changed = expected.tensors.filter(({ name, recipe }) => {
    if (recipe.type !== 'constant') return false;
    const bytes = model.tensors.get(name)?.bytes ?? [];
    return String(bytes) !== String(littleEndianBytes(recipe.values()));
  });
  return [...nodes, ...changed.map(({ name }) => name)];
}

/** What each node does, in one text. */
function nodesOf(nodes: ReadModel['nodes']): ReadonlyMap<string, string> {
  return new Map(
    nodes.map(({ name, op, inputs, outputs, attributes }) => {
      const sorted = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1));
      return [name, JSON.stringify([op, inputs, outputs, sorted])];
    }),
  );
}
