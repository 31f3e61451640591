import type { io } from '@tensorflow/tfjs-core';
import { concatenate } from '../../base/bytes.js';
import { isPth2tfjsError, Pth2tfjsError } from '../../base/errors.js';
import type { NamedBytes } from '../../stored-model/artifacts.js';
import { isText } from '../../stored-model/is-text.js';
import { isObject, parseModelJSON, specsOf, totalBytes } from '../../stored-model/model-json.js';
import { parseProvenance } from '../../stored-model/parse-provenance.js';
import type { Provenance } from '../../stored-model/provenance.js';
import { localNames } from '../../stored-model/shard-paths.js';
import { damaged, type LoadedModel } from './loaded-model.js';

export type { LayerVisitor, LoadedModel } from './loaded-model.js';

/**
 * Loads a layers model or a graph model from its files or a handler, through TensorFlow.js's own loaders,
 * on the current backend.
 * @throws Pth2tfjsError `model` when files are missing, short, or no such model, or what the model says of
 *   its source makes no sense
 */
export async function loadModel(files: readonly NamedBytes[] | io.IOHandler): Promise<LoadedModel> {
  try {
    const artifacts = await readArtifacts(files);
    const handler = { load: async () => artifacts };
    const provenance = provenanceIn(artifacts.userDefinedMetadata);
    const model = holdsGraph(artifacts)
      ? await (await import('./load-graph.js')).loadGraph(artifacts)
      : await (await import('./load-layers.js')).loadLayers(handler);
    return { ...model, provenance };
  } catch (error) {
    if (isPth2tfjsError(error)) throw error;
    throw damaged(`cannot be loaded: ${String(error)}`, error);
  }
}

/** A graph is a list of nodes; Keras has a class name and a configuration. */
function holdsGraph({ modelTopology }: Pick<io.ModelArtifacts, 'modelTopology'>): boolean {
  return isObject(modelTopology) && 'node' in modelTopology;
}

async function readArtifacts(
  files: readonly NamedBytes[] | io.IOHandler,
): Promise<io.ModelArtifacts> {
  if (!isHandler(files)) return artifactsOf(files);
  if (files.load === undefined) throw damaged('cannot be loaded: its handler only saves');
  return files.load();
}

/** Whether this is a handler of TensorFlow.js, which loads for itself. */
export function isHandler(source: unknown): source is io.IOHandler {
  return typeof (source as io.IOHandler | null)?.load === 'function';
}

/**
 * The weight files that a model.json names, as it writes them.
 * @throws Pth2tfjsError `model` where one does not lie in the model's folder, or is named twice
 */
export function weightPaths({ weightsManifest }: io.ModelJSON): readonly string[] {
  const paths = weightsManifest.flatMap((group) => group.paths);
  for (const path of paths) localNames(path);
  const seen = new Set<string>();
  const twice = paths.find((path) => seen.size === seen.add(path).size);
  if (twice !== undefined) throw damaged(`names the weight file ${twice} twice`);
  return paths;
}

/**
 * What a model that `convert` wrote remembers of its source; null for others.
 * @throws Pth2tfjsError `model` where that makes no sense
 */
export function readProvenance(files: readonly NamedBytes[]): Provenance | null {
  return provenanceIn(readModelJSON(files).userDefinedMetadata);
}

function provenanceIn(metadata: unknown): Provenance | null {
  if (!isObject(metadata) || !('pth2tfjs' in metadata)) return null;
  const { pth2tfjs } = metadata;
  return parseProvenance(pth2tfjs);
}

/** Whether the files hold a graph model. */
export function isGraph(files: readonly NamedBytes[]): boolean {
  return holdsGraph(readModelJSON(files));
}

function readModelJSON(files: readonly NamedBytes[]): io.ModelJSON {
  const modelJSON = files.find(({ name }) => name === 'model.json');
  if (modelJSON === undefined) throw damaged('lacks the file model.json');
  return parseModelJSON(modelJSON.bytes);
}

async function artifactsOf(files: readonly NamedBytes[]): Promise<io.ModelArtifacts> {
  await checkWeights(files);
  const { json, specs, data } = readFiles(files);
  const tf = await import('@tensorflow/tfjs-core');
  return tf.io.getModelArtifactsForJSON(json, async () => [specs, data.buffer]);
}

/**
 * Checks that the weight files are those that model.json describes.
 * @throws Pth2tfjsError `model`, naming the file that is wrong and what it is instead
 */
export async function checkWeights(files: readonly NamedBytes[]): Promise<void> {
  const { specs, shards } = findShards(files);
  const size = shards.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const rightSize = isRightSize(specs, size);
  // Apps whose models are sound are spared what tells files apart.
  if (rightSize && !shards.some(({ bytes }) => isText(bytes))) return;
  const { whatIsWrong } = await import('../../stored-model/wrong-shard.js');
  const wrong = whatIsWrong(shards, rightSize ? null : totalBytes(specs));
  if (wrong === null) return;
  throw new Pth2tfjsError('model', wrong.message, { hint: wrong.hint });
}

/** Strings are stored with their lengths, and nothing else tells those. */
function isRightSize(specs: readonly io.WeightsManifestEntry[], size: number): boolean {
  const expected = totalBytes(specs);
  return specs.some(({ dtype }) => dtype === 'string') ? size >= expected : size === expected;
}

/**
 * The weight files in the order of model.json, each under the name that it has there.
 * @throws Pth2tfjsError `model` when one is missing
 */
export function findShards(files: readonly NamedBytes[]) {
  const byName = new Map(files.map(({ name, bytes }) => [name, bytes]));
  const json = readModelJSON(files);
  const shards = weightPaths(json).map((path): NamedBytes => {
    const bytes = [path, ...localNames(path)].map((name) => byName.get(name)).find(Boolean);
    if (bytes === undefined) throw damaged(`lacks the file ${path}`);
    return { name: path, bytes };
  });
  return { json, shards, specs: specsOf(json) };
}

/**
 * What a model's files hold, before TensorFlow.js sees it.
 * @throws Pth2tfjsError `model` when files are missing or short
 */
export function readFiles(files: readonly NamedBytes[]): {
  readonly json: io.ModelJSON;
  readonly specs: io.WeightsManifestEntry[];
  /** All weight files, one after the other. */
  readonly data: Uint8Array<ArrayBuffer>;
} {
  const { json, shards, specs } = findShards(files);
  const data = concatenate(shards.map(({ bytes }) => bytes));
  if (isRightSize(specs, data.length)) return { json, specs, data };
  throw damaged(
    `has ${data.length} bytes of weights, where model.json describes ${totalBytes(specs)}`,
  );
}
