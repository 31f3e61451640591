import type { io } from '@tensorflow/tfjs-core';
import { Pth2tfjsError } from '../base/errors.js';
import { type OnWarning, warnOnConsole } from '../base/warn.js';
import type { ConvertOptions } from '../convert-options.js';
import { checkLabels } from '../image/labels.js';
import { preprocess } from '../image/preprocess.js';
import { softmax, topK } from '../numbers/logits.js';
import type { OnnxBackend } from '../runtimes/backend.js';
import type { LoadedModel } from '../runtimes/loaded-model.js';
import type { OnnxRuntime } from '../runtimes/onnx/runtime.js';
import { isHandler, loadStored } from '../runtimes/tfjs/load.js';
import type { Provenance } from '../stored-model/provenance.js';
import type { AnyModel } from '../stored-model/stored-onnx.js';
import { artifactWarnings, weightWarnings } from '../stored-model/weight-warnings.js';
import { chooseBackend } from './choose-backend.js';
import { type ImageBatch, type ImageInput, isBatch, toBatch } from './input.js';
import type { Fetching } from './read.js';
import { type GoogLeNetSource, resolveSource } from './source.js';

export interface LoadOptions extends Fetching {
  /** Names of the classes, in order; default: those kept in the model, else `class 0` and so on. */
  readonly labels?: readonly string[] | undefined;
  /** Run once on a black image, so that the first image does not pay for compiling. */
  readonly warmUp?: boolean | undefined;
  /** For a checkpoint: what `convertCheckpoint` takes. */
  readonly convert?: ConvertOptions | undefined;
  /**
   * ONNX Runtime, which runs ONNX models, and checkpoints if it is given: `import * as onnxruntime from
   * 'onnxruntime-web'`. Node finds `onnxruntime-node` for itself where a model is ONNX.
   */
  readonly onnxruntime?: OnnxRuntime | undefined;
  /** Which execution provider of ONNX Runtime; default `onnx`, the processor. */
  readonly onnxBackend?: OnnxBackend | undefined;
  /**
   * Told what the user should know, such as weights that are no numbers; default `console.warn`. The same
   * stands in the model's `warnings`.
   */
  readonly onWarning?: OnWarning | undefined;
}

export interface ClassifyOptions {
  /** How many classes to give, the most probable first; default 5. */
  readonly topK?: number | undefined;
}

export interface Prediction {
  readonly className: string;
  /** Of the label. */
  readonly index: number;
  /** Softmax over the logits, in float64; of a single logit the sigmoid. */
  readonly probability: number;
}

/** Numbers with their shape; the first dimension counts the images. */
export interface Values {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: Float32Array;
}

/**
 * Loads a GoogLeNet for an app, on the backend of TensorFlow.js that is current; if none was chosen,
 * on the best of those that are registered. An ONNX model runs on ONNX Runtime.
 *
 * ```ts
 * const model = await loadGoogLeNet('/models/googlenet/model.json', { labels });
 * const [best] = await model.classify(photo);
 * ```
 * @throws Pth2tfjsError as `convertCheckpoint` and `loadModel` do; `io` where a source cannot be
 *   read; `backend` where none starts; the reason of `signal` when it is aborted
 */
export async function loadGoogLeNet(
  from: GoogLeNetSource,
  options: LoadOptions = {},
): Promise<GoogLeNet> {
  const { signal, onProgress, labels, warmUp = false, onWarning = warnOnConsole } = options;
  const { onnxruntime, onnxBackend } = options;
  const onnx = onnxruntime !== undefined || onnxBackend !== undefined;
  const warnings = new Set<string>();
  let last = { loaded: 0, total: null as number | null };
  const tell = (phase: 'build' | 'warm-up') => onProgress?.({ phase, ...last });
  const source = await resolveSource(
    from,
    {
      signal,
      onProgress: (progress) => {
        last = { loaded: progress.loaded, total: progress.total };
        onProgress?.(progress);
      },
      onWarning: (warning) => warnings.add(warning),
    },
    { ...(onnx ? { format: 'onnx' } : {}), ...options.convert },
  );
  signal?.throwIfAborted();
  tell('build');
  const { model, faults } = await loadWithFaults(source, options);
  try {
    signal?.throwIfAborted();
    // What was converted just now has been looked at, under the keys of its checkpoint.
    if (warnings.size === 0) for (const fault of faults) warnings.add(fault);
    const loaded = new GoogLeNet(model, labels, [...warnings]);
    for (const warning of warnings) onWarning(warning);
    if (warmUp) {
      tell('warm-up');
      await model.predict(preprocess(BLACK, { imageSize: loaded.imageSize }));
    }
    signal?.throwIfAborted();
    return loaded;
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** The model, and what is wrong with its weights. */
async function loadWithFaults(
  source: AnyModel | io.IOHandler,
  { onnxruntime, onnxBackend = 'onnx' }: LoadOptions,
): Promise<{ model: LoadedModel; faults: readonly string[] }> {
  if (!isHandler(source) && source.format === 'onnx') {
    const { ONNX_ADAPTERS } = await import('../runtimes/onnx/backends.js');
    const { startBackend } = await import('../runtimes/start-backend.js');
    const adapter = ONNX_ADAPTERS[onnxBackend];
    const { load } = await startBackend(onnxBackend, adapter, { onnxruntime });
    return { model: await load(source), faults: weightWarnings(source) };
  }
  await chooseBackend();
  if (!isHandler(source) || source.load === undefined) {
    const model = await loadStored(source);
    return { model, faults: isHandler(source) ? [] : weightWarnings(source) };
  }
  const { load } = source;
  let artifacts: io.ModelArtifacts = {};
  const model = await loadStored({
    load: async () => {
      artifacts = await load.call(source);
      return artifacts;
    },
  });
  return { model, faults: artifactWarnings(artifacts) };
}

const BLACK = { data: new Uint8Array(3), width: 1, height: 1 };

/** A loaded GoogLeNet. Give it back with `dispose`. */
export class GoogLeNet {
  /** Names of the classes, in the order of the logits; see `classify` for a single logit. */
  readonly labels: readonly string[];
  private disposed = false;

  constructor(
    private readonly model: LoadedModel,
    labels: readonly string[] | undefined,
    /** What the user should know of the model, one sentence each. */
    readonly warnings: readonly string[] = [],
  ) {
    const { numClasses, provenance } = model;
    this.labels =
      labels ??
      provenance?.labels ??
      (numClasses === 1
        ? [POSITIVE]
        : Array.from({ length: numClasses }, (_, index) => `class ${index}`));
    checkLabels(this.labels, numClasses);
  }

  /** What the model was made of; null where that is unknown. */
  get provenance(): Provenance | null {
    return this.model.provenance;
  }

  get numClasses(): number {
    return this.model.numClasses;
  }

  /** Side of the square input in pixels. */
  get imageSize(): number {
    return this.model.inputShape[1];
  }

  /** The names that `activation` takes, in network order. */
  get layers(): readonly string[] {
    return this.model.layers;
  }

  /** What torchvision's model returns: `[images, numClasses]`. */
  async logits(images: ImageInput | ImageBatch): Promise<Values> {
    const batch = await toBatch(images, this.imageSize);
    const data = await this.running.predict(batch);
    return { shape: [data.length / this.numClasses, this.numClasses], data };
  }

  /**
   * The most probable classes of one image, or of each of several, which run as one batch. A network of one
   * logit tells an image of the label 1 from others, as with PyTorch's BCEWithLogitsLoss: it gives the
   * sigmoid, under the one label or `positive`; given two labels, 0 and 1, it gives both.
   * @throws Pth2tfjsError `model` for logits that are no finite numbers
   */
  classify(image: ImageInput, options?: ClassifyOptions): Promise<Prediction[]>;
  classify(images: ImageBatch, options?: ClassifyOptions): Promise<Prediction[][]>;
  async classify(
    images: ImageInput | ImageBatch,
    { topK: count = 5 }: ClassifyOptions = {},
  ): Promise<Prediction[] | Prediction[][]> {
    if (!(Number.isInteger(count) && count >= 1)) {
      throw new Pth2tfjsError('usage', `topK is ${count}; it must be a whole number of at least 1`);
    }
    const { shape, data } = await this.logits(images);
    const { numClasses } = this;
    const rows = Array.from({ length: shape[0] as number }, (_, image) => {
      const logits = data.subarray(image * numClasses, (image + 1) * numClasses);
      checkFinite(logits, image);
      return this.predictions(logits, count);
    });
    return isBatch(images) ? rows : (rows[0] as Prediction[]);
  }

  /** The pooled features before the classifier: `[images, 1024]`. */
  async embed(images: ImageInput | ImageBatch): Promise<Values> {
    return this.activation(images, 'avgpool');
  }

  /**
   * What one layer gives, by the name of the torch module, one of `layers`: NHWC
   * `[images, height, width, channels]`, or `[images, features]`.
   * @throws Pth2tfjsError `usage` for a layer that the model does not have
   */
  async activation(images: ImageInput | ImageBatch, layer: string): Promise<Values> {
    if (!this.layers.includes(layer)) {
      throw new Pth2tfjsError('usage', `the model has no layer '${layer}'`, {
        hint: `see the names in model.layers, such as ${this.layers.slice(-2).join(' or ')}`,
      });
    }
    let values: Values | undefined;
    await this.running.trace(await toBatch(images, this.imageSize), async (name, shape, read) => {
      if (name === layer) values = { shape, data: (await read()).slice() };
      return undefined;
    });
    return values as Values;
  }

  /** Gives back the memory of the weights; nothing can be asked of the model any more. */
  dispose(): void {
    if (!this.disposed) this.model.dispose();
    this.disposed = true;
  }

  private get running(): LoadedModel {
    if (!this.disposed) return this.model;
    throw new Pth2tfjsError('usage', 'the model was disposed of', { hint: 'load it again' });
  }

  private predictions(logits: Float32Array, count: number): Prediction[] {
    // The sigmoid is the softmax beside a logit of 0, that of the class 0.
    const scores = logits.length === 1 ? Float32Array.of(0, ...logits) : logits;
    const probabilities = softmax(scores).slice(-this.labels.length);
    return topK(scores.slice(-this.labels.length), count).map((index) => ({
      className: this.labels[index] as string,
      index,
      probability: probabilities[index] as number,
    }));
  }
}

/** What a single logit stands for, where nobody has named it. */
const POSITIVE = 'positive';

/** Sorting would put what is no number anywhere. */
function checkFinite(logits: Float32Array, image: number): void {
  const odd = logits.filter((logit) => !Number.isFinite(logit)).length;
  if (odd === 0) return;
  const message = `${odd} of ${logits.length} logits of image ${image} are NaN or infinite, which is no answer`;
  throw new Pth2tfjsError('model', message, {
    hint: "look for NaN in the checkpoint's weights, or run the model on another backend",
  });
}
