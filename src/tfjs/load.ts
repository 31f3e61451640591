import type { io, Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { concatenate } from '../bytes.js';
import { Pth2tfjsError } from '../errors.js';
import type { Provenance } from '../provenance.js';
import type { NamedBytes } from './artifacts.js';
import { storedSize } from './quantize.js';

/** A loaded model of one image input and one row of logits. */
export interface LoadedModel {
  /** `[null, height, width, 3]` without the batch: `[batch, height, width, channels]`. */
  readonly inputShape: readonly [batch: null, height: number, width: number, channels: number];
  readonly numClasses: number;
  /**
   * Runs one image or a batch, NHWC `[images, height, width, 3]`.
   * @returns logits `[images, numClasses]`
   */
  predict(batch: Float32Array): Promise<Float32Array>;
  /**
   * Runs a batch, NHWC `[images, height, width, 3]`, one layer after the other.
   * @returns logits `[images, numClasses]`
   */
  trace(batch: Float32Array, visit: LayerVisitor): Promise<Float32Array>;
  /** The names of the layers, in the order in which `trace` runs them. */
  readonly layers: readonly string[];
  /** Puts other numbers into weights, by their names in model.json, such as `conv1/kernel`. */
  setWeights(changes: ReadonlyMap<string, Float32Array>): void;
  dispose(): void;
}

/**
 * Sees each layer's output on its way; what it resolves to, if anything, goes on in its place and
 * must be of the same length. `read` fetches the values, channels last.
 */
export type LayerVisitor = (
  layer: string,
  shape: readonly number[],
  read: () => Promise<Float32Array>,
) => Promise<Float32Array | undefined> | undefined;

/**
 * Loads a layers model from its files or a handler, through TensorFlow.js's own loader, on the
 * current backend.
 * @throws Pth2tfjsError `model` when files are missing, short, or no layers model.
 */
export async function loadModel(files: readonly NamedBytes[] | io.IOHandler): Promise<LoadedModel> {
  const tf = await import('@tensorflow/tfjs-core');
  const { loadLayersModel } = await import('@tensorflow/tfjs-layers');
  const handler = isHandler(files) ? files : filesHandler(files, tf.io.getModelArtifactsForJSON);
  const model = await loadLayersModel(handler).catch((error: unknown) => {
    if (error instanceof Pth2tfjsError) throw error;
    throw damaged(`cannot be loaded: ${String(error)}`, error);
  });
  const [, height, width, channels] = model.inputs[0]?.shape ?? [];
  const numClasses = model.outputs[0]?.shape.at(-1);
  if (height == null || width == null || channels !== 3 || numClasses == null) {
    model.dispose();
    throw damaged('does not take one image and give one row of logits');
  }
  return {
    inputShape: [null, height, width, channels],
    numClasses,
    predict: async (batch) => {
      const images = batch.length / (height * width * 3);
      const logits = tf.tidy(() => {
        const input = tf.tensor4d(batch, [images, height, width, 3]);
        return model.predict(input, { batchSize: images }) as Tensor;
      });
      const values = await logits.data<'float32'>();
      logits.dispose();
      return values;
    },
    trace: (batch, visit) => {
      const input = tf.tensor(batch, [batch.length / (height * width * 3), height, width, 3]);
      return traceLayers(tf, model, input, visit);
    },
    layers: model.layers.map(({ name }) => name),
    setWeights: (changes) => {
      for (const variable of model.weights) {
        const values = changes.get(variable.originalName);
        if (values === undefined) continue;
        tf.tidy(() => {
          variable.write(tf.tensor(values, variable.shape as number[]));
        });
      }
    },
    dispose: () => {
      model.dispose();
    },
  };
}

/** Whether this is a handler of TensorFlow.js, which loads for itself. */
export function isHandler(source: unknown): source is io.IOHandler {
  return typeof (source as io.IOHandler | null)?.load === 'function';
}

/** Takes over `input`; each output is given back when its last reader has run. */
async function traceLayers(
  tf: typeof import('@tensorflow/tfjs-core'),
  model: LayersModel,
  input: Tensor,
  visit: LayerVisitor,
): Promise<Float32Array> {
  const outputs = new Map<string, Tensor>();
  const sources = model.layers.map(({ inboundNodes }) =>
    (inboundNodes[0]?.inboundLayers ?? []).map(({ name }) => name),
  );
  try {
    let last = input;
    for (const [at, layer] of model.layers.entries()) {
      const from = sources[at]?.map((name) => outputs.get(name) as Tensor) ?? [];
      const output = from.length === 0 ? input : tf.tidy(() => layer.apply(from) as Tensor);
      outputs.set(layer.name, output);
      const replaced = await visit(layer.name, output.shape, () => output.data<'float32'>());
      if (replaced !== undefined) {
        outputs.set(layer.name, tf.tensor(replaced, output.shape));
        output.dispose();
      }
      last = outputs.get(layer.name) as Tensor;
      const needed = new Set(sources.slice(at + 1).flat());
      for (const [name, tensor] of outputs) {
        if (needed.has(name) || tensor === last) continue;
        tensor.dispose();
        outputs.delete(name);
      }
    }
    return await last.data<'float32'>();
  } finally {
    for (const tensor of outputs.values()) tensor.dispose();
    if (!input.isDisposed) input.dispose();
  }
}

function damaged(message: string, cause?: unknown): Pth2tfjsError {
  return new Pth2tfjsError('model', `the model ${message}`, {
    hint: 'convert the checkpoint again',
    ...(cause === undefined ? {} : { cause }),
  });
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
  const modelJSON = files.find(({ name }) => name === 'model.json');
  if (modelJSON === undefined) throw damaged('lacks the file model.json');
  const metadata: unknown = parseModelJSON(modelJSON.bytes).userDefinedMetadata;
  const { pth2tfjs } = (metadata ?? {}) as { readonly pth2tfjs?: Partial<Provenance> };
  return typeof pth2tfjs?.source === 'object' ? (pth2tfjs as Provenance) : null;
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
    groups.every((group) => Array.isArray(group?.paths) && Array.isArray(group?.weights));
  if (!valid || json?.modelTopology == null)
    throw damaged('has a model.json without topology or weights manifest');
  return json as io.ModelJSON;
}

function filesHandler(
  files: readonly NamedBytes[],
  toArtifacts: typeof io.getModelArtifactsForJSON,
): io.IOHandler {
  const byName = new Map(files.map(({ name, bytes }) => [name, bytes]));
  const find = (name: string): Uint8Array => {
    const bytes = byName.get(name);
    if (bytes === undefined) throw damaged(`lacks the file ${name}`);
    return bytes;
  };
  return {
    load: async () => {
      const modelJSON = find('model.json');
      const json = parseModelJSON(modelJSON);
      const data = concatenate(weightPaths(modelJSON).map(find)).buffer;
      const specs = json.weightsManifest.flatMap((group) => group.weights);
      checkLength(specs, data.byteLength);
      return toArtifacts(json, async () => [specs, data]);
    },
  };
}

function checkLength(specs: readonly io.WeightsManifestEntry[], found: number): void {
  const expected = specs.reduce(
    (sum, spec) => sum + spec.shape.reduce((a, b) => a * b, storedSize(spec)),
    0,
  );
  if (expected !== found) {
    throw damaged(`has ${found} bytes of weights, where model.json describes ${expected}`);
  }
}
