import type { io } from '@tensorflow/tfjs-core';
import { isPth2tfjsError } from '../../base/errors.js';
import type { NamedBytes } from '../../stored-model/artifacts.js';
import { damaged } from '../../stored-model/damaged.js';
import { readStoredModel } from '../../stored-model/open.js';
import { formatOf, provenanceIn, type StoredModel } from '../../stored-model/stored-model.js';
import type { AnyModel } from '../../stored-model/stored-onnx.js';
import type { LoadedModel } from '../loaded-model.js';

export type { LayerVisitor, LoadedModel } from '../loaded-model.js';

/**
 * Loads a layers model or a graph model from its files or a handler, through TensorFlow.js's own loaders,
 * on the current backend.
 * @throws Pth2tfjsError `model` when files are missing, short, or no such model, or what the model says of
 *   its source makes no sense
 */
export function loadModel(files: readonly NamedBytes[] | io.IOHandler): Promise<LoadedModel> {
  return orDamaged(async () => load(isHandler(files) ? files : await readStoredModel(files)));
}

/** The same of a model that is open, or of a handler. */
export function loadStored(model: StoredModel | io.IOHandler): Promise<LoadedModel> {
  return orDamaged(() => load(model));
}

/** The same for whoever takes any model; ONNX's never come here. */
export async function loadTfjs(model: AnyModel): Promise<LoadedModel> {
  if (model.format !== 'onnx') return loadStored(model);
  throw new Error('an ONNX model reached TensorFlow.js');
}

async function orDamaged<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isPth2tfjsError(error)) throw error;
    throw damaged(`cannot be loaded: ${String(error)}`, error);
  }
}

async function load(source: StoredModel | io.IOHandler): Promise<LoadedModel> {
  const artifacts = await readArtifacts(source);
  const provenance = isHandler(source)
    ? provenanceIn(artifacts.userDefinedMetadata)
    : source.provenance;
  const network =
    formatOf(artifacts) === 'graph'
      ? await (await import('./load-graph.js')).loadGraph(artifacts)
      : await (await import('./load-layers.js')).loadLayers({ load: async () => artifacts });
  return { ...network, provenance };
}

async function readArtifacts(source: StoredModel | io.IOHandler): Promise<io.ModelArtifacts> {
  if (!isHandler(source)) return artifactsOf(source);
  if (source.load === undefined) throw damaged('cannot be loaded: its handler only saves');
  return source.load();
}

/** Whether this is a handler of TensorFlow.js, which loads for itself. */
export function isHandler(source: unknown): source is io.IOHandler {
  return typeof (source as io.IOHandler | null)?.load === 'function';
}

async function artifactsOf({ json, specs, shards }: StoredModel): Promise<io.ModelArtifacts> {
  const tf = await import('@tensorflow/tfjs-core');
  const buffers = shards.map(({ bytes }) => bufferOf(bytes));
  // TensorFlow.js reads zeros from a last file that is longer than those before it: this one never is.
  const data = [...buffers, new ArrayBuffer()];
  return tf.io.getModelArtifactsForJSON(json, async () => [[...specs], data]);
}

function bufferOf(bytes: Uint8Array): ArrayBuffer {
  const { buffer } = bytes;
  const whole = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length;
  return whole ? buffer : new Uint8Array(bytes).buffer;
}
