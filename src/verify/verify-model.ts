import { Pth2tfjsError } from '../base/errors.js';
import { option } from '../base/option.js';
import { VERSION } from '../base/version.js';
import { openCheckpoint } from '../checkpoint/checkpoint-file.js';
import { type BackendInfo, type BackendName, checkBackends } from '../runtimes/backend.js';
import { prepareBackend } from '../runtimes/backends.js';
import { type LoadedModel, loadStored } from '../runtimes/tfjs/load.js';
import type { NamedBytes } from '../stored-model/artifacts.js';
import { quantizationIn } from '../stored-model/editable-model.js';
import { readStoredModel } from '../stored-model/open.js';
import type { Quantization } from '../stored-model/quantization.js';
import type { StoredModel } from '../stored-model/stored-model.js';
import { breathe } from './breathe.js';
import { compareLogits } from './compare.js';
import { diagnose } from './diagnose.js';
import { checkFits, checkSameCheckpoint } from './fits.js';
import { type Golden, imageNHWC } from './golden.js';
import { compareLayers } from './layers.js';
import { checkStoredWeights } from './stored-weights.js';
import { checkTolerance, defaultRtol, toleranceFor } from './tolerance.js';
import type { BackendResult, Verification, VerifyOptions } from './verification.js';

/**
 * Runs a written model on backends and compares its logits with PyTorch's, image by image; layer by
 * layer where the golden file holds activations; and looks for the cause where they differ.
 *
 * @param files `model.json` and its shards, as read back from where they were written
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
  return verifyStored(await readStoredModel(files), golden, options);
}

/** The same of a model that is open. */
export async function verifyStored(
  model: StoredModel,
  golden: Golden,
  options: VerifyOptions = {},
): Promise<Verification> {
  const { provenance } = model;
  if (!options.allowOtherCheckpoint) checkSameCheckpoint(provenance, golden);
  const results: BackendResult[] = [];
  for (const name of options.backends ?? ['wasm']) {
    results.push(await onBackend(name, model, golden, options));
  }
  const passed = results.every(({ comparison }) => comparison.passed);
  const failing = results.find(({ comparison }) => !comparison.passed);
  const diagnosis =
    failing === undefined || options.diagnose === false
      ? null
      : await diagnose({ model, golden, failing, options: whileDiagnosing(options) });
  if (passed && options.checkpoint !== undefined) {
    await checkStoredWeights(model, golden, options.checkpoint);
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
  stored: StoredModel,
  golden: Golden,
  options: VerifyOptions,
): Promise<BackendResult> {
  options.onProgress?.({ backend: name, step: 'starting', done: 0 });
  const backend = await prepareBackend(name, options);
  try {
    if (options.requireGpu) requireGpu(backend.info);
    const model = await loadStored(stored);
    const quantization = quantizationIn(stored.specs);
    try {
      return await runBackend(model, { info: backend.info, stored: quantization }, golden, options);
    } finally {
      model.dispose();
    }
  } finally {
    await backend.stop();
  }
}

function requireGpu({ name, device, driver, hardware }: BackendInfo): void {
  if (hardware === 'gpu') return;
  const what = hardware === 'cpu' ? 'the processor' : 'a software adapter';
  const where = driver === null ? device : `${device}, ${driver}`;
  throw new Pth2tfjsError(
    'no-gpu',
    `the backend ${name} runs on ${what} (${where}), not on a GPU`,
    {
      hint: `choose ${option('backends', 'webgpu')} or cuda on a machine with a GPU and its driver, or drop ${option('requireGpu')}`,
    },
  );
}

async function runBackend(
  model: LoadedModel,
  {
    info: backend,
    stored,
  }: { readonly info: BackendInfo; readonly stored: Quantization | undefined },
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
  const tolerance = toleranceFor(backend.precision, options.tolerance ?? {}, stored);
  const bound = tolerance.rtol ?? defaultRtol(backend.precision, stored);
  const layers = withLayers
    ? await compareLayers(model, golden, bound, (layer) => report(`layer ${layer}`, images))
    : null;
  return {
    backend,
    comparison: compareLogits(golden.logits, logits, golden.numClasses, tolerance),
    layers,
    ...(stored === undefined ? {} : { stored }),
    logits,
    millisecondsPerImage: median(times),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
