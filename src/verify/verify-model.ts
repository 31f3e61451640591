import { Pth2tfjsError } from '../base/errors.js';
import { option } from '../base/option.js';
import { VERSION } from '../base/version.js';
import { openCheckpoint } from '../checkpoint/checkpoint-file.js';
import {
  type BackendInfo,
  type BackendName,
  checkBackends,
  formatsOf,
} from '../runtimes/backend.js';
import { prepareBackend } from '../runtimes/backends.js';
import type { LoadedModel } from '../runtimes/loaded-model.js';
import { checkRuns } from '../runtimes/start-backend.js';
import type { NamedBytes } from '../stored-model/artifacts.js';
import { quantizationIn } from '../stored-model/editable-model.js';
import { readAnyModel } from '../stored-model/open-any.js';
import type { Quantization } from '../stored-model/quantization.js';
import type { AnyModel } from '../stored-model/stored-onnx.js';
import { type Bound, measureBound, measureQuantized } from './bound.js';
import { breathe } from './breathe.js';
import { type Comparison, compareLogits } from './compare.js';
import { diagnose } from './diagnose.js';
import { checkFits, checkSameCheckpoint } from './fits.js';
import { type Golden, imageNHWC } from './golden.js';
import { compareLayers } from './layers.js';
import { readWeights } from './read-weights.js';
import { checkStoredWeights } from './stored-weights.js';
import { checkTolerance, defaultRtol, isOpen, toleranceFor } from './tolerance.js';
import type { BackendResult, Verification, VerifyOptions } from './verification.js';

/**
 * Runs a written model on backends and compares its logits with PyTorch's, image by image; layer by
 * layer where the golden file holds activations; and looks for the cause where they differ.
 *
 * @param files `model.json` and its shards, or `model.onnx`, as read back from where they were written
 * @throws Pth2tfjsError `usage` for a backend that there is none of, or a bound below 0; `model` for files
 *   that are no such model; `golden` when the images, the classes or the checkpoint do not fit the model; `model` also when parity holds and a stored weight is
 *   not the checkpoint's; `backend` when a backend is absent; `no-gpu`
 *   when one is required and not there.
 */
export async function verifyModel(
  files: readonly NamedBytes[],
  golden: Golden,
  options: VerifyOptions = {},
): Promise<Verification> {
  checkBackends(options.backends ?? []);
  checkTolerance(options.tolerance ?? {});
  return verifyStored([await readAnyModel(files)], golden, options);
}

/**
 * The same of a model that is open.
 * @param models the same network in as many formats as the backends need, the first for the report
 */
export async function verifyStored(
  models: readonly [AnyModel, ...AnyModel[]],
  golden: Golden,
  options: VerifyOptions = {},
): Promise<Verification> {
  const [{ format, provenance }] = models;
  if (!options.allowOtherCheckpoint) checkSameCheckpoint(provenance, golden);
  const backends = options.backends ?? [format === 'onnx' ? 'onnx' : 'wasm'];
  // Before any of them works for minutes.
  const runs = backends.map((name) => ({ name, model: modelFor(name, models) }));
  const results: BackendResult[] = [];
  for (const { name, model } of runs) results.push(await onBackend(name, model, golden, options));
  const passed = results.every(({ comparison }) => comparison.passed);
  const failing = results.findIndex(({ comparison }) => !comparison.passed);
  const diagnosis =
    failing < 0 || options.diagnose === false
      ? null
      : await diagnose({
          model: (runs[failing] as Run).model,
          golden,
          failing: results[failing] as BackendResult,
          options: whileDiagnosing(options),
        });
  const { checkpoint, compareStored = true } = options;
  if (passed && compareStored && checkpoint !== undefined) {
    for (const model of models) await checkStoredWeights(model, checkpoint);
  }
  const { modelName = 'model', goldenName = 'golden', runtime = '' } = options;
  return {
    model: modelName,
    golden: goldenName,
    tool: `pth2tfjs ${VERSION}`,
    runtime,
    provenance: { model: provenance, golden: golden.provenance },
    expected: { numClasses: golden.numClasses, logits: golden.logits },
    results,
    diagnosis,
    passed,
  };
}

interface Run {
  readonly name: BackendName;
  readonly model: AnyModel;
}

/** @throws Pth2tfjsError `backend` for one that runs none of them */
function modelFor(name: BackendName, models: readonly [AnyModel, ...AnyModel[]]): AnyModel {
  const model = models.find(({ format }) => formatsOf(name).includes(format)) ?? models[0];
  checkRuns(name, model);
  return model;
}

function whileDiagnosing(options: VerifyOptions): VerifyOptions {
  const { onProgress, checkpoint } = options;
  return {
    ...options,
    checkpoint: checkpoint && openCheckpoint(checkpoint),
    onProgress: (progress) => onProgress?.({ ...progress, diagnosing: true }),
  };
}

async function onBackend(
  name: BackendName,
  stored: AnyModel,
  golden: Golden,
  options: VerifyOptions,
): Promise<BackendResult> {
  options.onProgress?.({ backend: name, step: 'starting', done: 0 });
  const backend = await prepareBackend(name, options);
  try {
    if (options.requireGpu) requireGpu(backend.info);
    const model = await backend.load(stored);
    const quantization =
      stored.format === 'onnx' ? stored.quantization : quantizationIn(stored.specs);
    try {
      const ran = { info: backend.info, model: stored, stored: quantization };
      return await runBackend(model, ran, golden, options);
    } finally {
      model.dispose();
    }
  } finally {
    await backend.stop();
  }
}

function requireGpu({ name, device, driver, hardware }: BackendInfo): void {
  if (hardware === 'gpu') return;
  const where = driver === null ? device : `${device}, ${driver}`;
  if (hardware === 'unknown') {
    throw new Pth2tfjsError('no-gpu', `${name} does not tell what it runs on (${where})`, {
      hint: 'npm install webgpu, which names the adapter',
    });
  }
  const what = hardware === 'cpu' ? 'the processor' : 'a software adapter';
  throw new Pth2tfjsError(
    'no-gpu',
    `the backend ${name} runs on ${what} (${where}), not on a GPU`,
    {
      hint: `choose ${option('backends', 'webgpu')}, cuda, onnx-webgpu or onnx-cuda on a machine with a GPU and its driver, or drop ${option('requireGpu')}`,
    },
  );
}

/** What runs, and on what. */
interface Ran {
  readonly info: BackendInfo;
  readonly model: AnyModel;
  readonly stored: Quantization | undefined;
}

async function runBackend(
  model: LoadedModel,
  { info: backend, model: file, stored }: Ran,
  golden: Golden,
  options: VerifyOptions,
): Promise<BackendResult> {
  checkFits(model, golden);
  const images = golden.shape[0];
  const withLayers = golden.activations.size > 0;
  const parts = images + (withLayers ? images : 0);
  const report = (step: string, done: number) =>
    options.onProgress?.({ backend: backend.name, step, done: done / parts });
  const logits = new Float32Array(golden.logits.length);
  const times: number[] = [];
  for (let image = 0; image < images; image++) {
    report(`image ${image + 1} of ${images}`, image);
    await breathe();
    const started = performance.now();
    logits.set(await model.predict(imageNHWC(golden, image)), image * golden.numClasses);
    times.push(performance.now() - started);
  }
  const asked = options.tolerance ?? {};
  const usual = toleranceFor(backend.precision, asked, stored);
  const first = compareLogits(golden.logits, logits, golden.numClasses, usual);
  report('the noise of float32', images);
  const { rtol, basis } = await boundFor({ backend, file, stored, first }, logits, golden, options);
  const tolerance = rtol === undefined ? usual : { ...usual, rtol };
  const bound = tolerance.rtol ?? defaultRtol(backend.precision, stored);
  const layers = withLayers
    ? await compareLayers(model, golden, bound, (layer) => report(`layer ${layer}`, images))
    : null;
  return {
    backend,
    comparison: compareLogits(golden.logits, logits, golden.numClasses, tolerance),
    basis,
    layers,
    ...(stored === undefined ? {} : { stored }),
    logits,
    millisecondsPerImage: median(times),
  };
}

interface Outcome {
  readonly backend: BackendInfo;
  readonly file: AnyModel;
  readonly stored: Quantization | undefined;
  /** As compared by the default. */
  readonly first: Comparison;
}

/** The bound where the caller leaves it to us. */
async function boundFor(
  { backend, file, stored, first }: Outcome,
  logits: Float32Array,
  golden: Golden,
  { tolerance = {}, checkpoint }: VerifyOptions,
): Promise<Bound> {
  if (!isOpen(tolerance)) return { basis: { from: 'given' } };
  const { precision } = backend;
  if (precision !== 'float32' && precision !== 'float64') {
    return { basis: { from: 'default', why: 'precision' } };
  }
  const measured = {
    stored: file,
    golden,
    logits,
    errors: first.images.map(({ relativeError }) => relativeError),
    rounds: precision === 'float32',
    always: tolerance.rtol === 'measured',
  };
  if (stored !== undefined) return measureQuantized(measured);
  return measureBound({ ...measured, weights: await readWeights(checkpoint, file.provenance) });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
