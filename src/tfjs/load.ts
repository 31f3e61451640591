import type { io } from '@tensorflow/tfjs-core';
import { concatenate } from '../bytes.js';
import { isPth2tfjsError } from '../errors.js';
import type { Provenance } from '../provenance.js';
import type { NamedBytes } from './artifacts.js';
import { damaged, type LoadedModel } from './loaded-model.js';
import { storedBytes } from './stored-bytes.js';

export type { LayerVisitor, LoadedModel } from './loaded-model.js';

/**
 * Loads a layers model or a graph model from its files or a handler, through TensorFlow.js's own loaders,
 * on the current backend.
 * @throws Pth2tfjsError `model` when files are missing, short, or no such model
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
  return typeof modelTopology === 'object' && 'node' in modelTopology;
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

/** The weight files that a model.json names; plain names only, so that none points elsewhere. */
export function weightPaths(modelJSON: Uint8Array): readonly string[] {
  const { weightsManifest } = parseModelJSON(modelJSON);
  const paths = weightsManifest.flatMap((group) => group.paths);
  const odd = paths.find((path) => typeof path !== 'string' || !/^[\w][\w.-]*$/.test(path));
  if (odd !== undefined)
    throw damaged(`names the weight file '${String(odd)}', which is no plain file name`);
  return paths;
}

/** What a model that `convert` wrote remembers of its source; null for others. */
export function readProvenance(files: readonly NamedBytes[]): Provenance | null {
  return provenanceIn(readModelJSON(files).userDefinedMetadata);
}

function provenanceIn(metadata: unknown): Provenance | null {
  const { pth2tfjs } = (metadata ?? {}) as { readonly pth2tfjs?: Partial<Provenance> };
  return typeof pth2tfjs?.source === 'object' ? (pth2tfjs as Provenance) : null;
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

function parseModelJSON(bytes: Uint8Array): io.ModelJSON {
  let json: Partial<io.ModelJSON> | null;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes)) as typeof json;
  } catch (error) {
    throw damaged(`has a model.json that is no JSON: ${String(error)}`, error);
  }
  const groups: unknown = json?.weightsManifest;
  const valid =
    Array.isArray(groups) &&
    groups.every(
      (group) =>
        Array.isArray(group?.paths) &&
        Array.isArray(group?.weights) &&
        group.weights.every((spec: Partial<io.WeightsManifestEntry> | null) => {
          return Array.isArray(spec?.shape);
        }),
    );
  if (!valid || json?.modelTopology == null)
    throw damaged('has a model.json without topology or weights manifest');
  return json as io.ModelJSON;
}

async function artifactsOf(files: readonly NamedBytes[]): Promise<io.ModelArtifacts> {
  const { json, specs, data } = readFiles(files);
  const tf = await import('@tensorflow/tfjs-core');
  return tf.io.getModelArtifactsForJSON(json, async () => [specs, data.buffer]);
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
  const byName = new Map(files.map(({ name, bytes }) => [name, bytes]));
  const find = (name: string): Uint8Array => {
    const bytes = byName.get(name);
    if (bytes === undefined) throw damaged(`lacks the file ${name}`);
    return bytes;
  };
  const modelJSON = find('model.json');
  const json = parseModelJSON(modelJSON);
  const data = concatenate(weightPaths(modelJSON).map(find));
  const specs = json.weightsManifest.flatMap((group) => group.weights);
  const expected = totalBytes(specs);
  if (expected !== data.length) {
    throw damaged(`has ${data.length} bytes of weights, where model.json describes ${expected}`);
  }
  return { json, specs, data };
}

/** How many bytes the weight files of a model.json hold in all. */
export function weightBytes(modelJSON: Uint8Array): number {
  return totalBytes(parseModelJSON(modelJSON).weightsManifest.flatMap((group) => group.weights));
}

function totalBytes(specs: readonly io.WeightsManifestEntry[]): number {
  return specs.reduce((sum, spec) => sum + storedBytes(spec), 0);
}
