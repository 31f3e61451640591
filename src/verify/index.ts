import { Pth2tfjsError } from '../base/errors.js';
import { VERSION } from '../base/version.js';
import {
  type BackendInfo,
  type BackendName,
  type BackendOptions,
  prepareBackend,
} from '../runtimes/tfjs/backends.js';
import { type LoadedModel, loadModel, readFiles, readProvenance } from '../runtimes/tfjs/load.js';
import type { NamedBytes } from '../stored-model/artifacts.js';
import { quantizationIn } from '../stored-model/editable-model.js';
import type { Provenance } from '../stored-model/provenance.js';
import type { Quantization } from '../targets/quantize.js';
import { breathe } from './breathe.js';
import { type Comparison, compareLogits } from './compare.js';
import { diagnose } from './diagnose.js';
import type { Diagnosis } from './diagnosis.js';
import { checkFits, checkSameCheckpoint } from './fits.js';
import { type Golden, type GoldenProvenance, imageNHWC } from './golden.js';
import { compareLayers, type LayerReport } from './layers.js';
import { checkStoredWeights } from './stored-weights.js';
import { defaultRtol, type ToleranceOptions, toleranceFor } from './tolerance.js';

export interface VerifyOptions extends BackendOptions {
  /** Run one after the other; default `['wasm']`. */
  readonly backends?: readonly BackendName[] | undefined;
  readonly tolerance?: ToleranceOptions | undefined;
  /** Fail where the work would run on a processor or a software adapter. */
  readonly requireGpu?: boolean | undefined;
  /**
   * The checkpoint that the model was made of, as `torch.save` wrote it: lets more causes be tried, and
   * what the model has stored be compared with what converting it gives.
   */
  readonly checkpoint?: Uint8Array | undefined;
  /** Look for the cause when parity fails; default true. */
  readonly diagnose?: boolean | undefined;
  /** Accept a golden file that was made from another checkpoint. */
  readonly allowOtherCheckpoint?: boolean | undefined;
  /** How the report calls the model, the golden file and the place where it ran. */
  readonly modelName?: string | undefined;
  readonly goldenName?: string | undefined;
  readonly runtime?: string | undefined;
  /** Told before each piece of work. */
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined;
}

export interface VerifyProgress {
  readonly backend: BackendName;
  /** What is being done: `image 2 of 4`, `layer maxpool1`. */
  readonly step: string;
  /** Share of this backend's work that is done, 0 to 1. */
  readonly done: number;
  /** Whether all is measured, and the cause of a failure is being looked for. */
  readonly diagnosing?: boolean;
}

/** What was compared with what, on what, and how it came out. */
export interface Verification {
  readonly model: string;
  readonly golden: string;
  /** `pth2tfjs 0.1.0`. */
  readonly tool: string;
  /** Where it ran: `Node 20.20.2, linux x64`; empty when the caller does not say. */
  readonly runtime: string;
  readonly provenance: {
    readonly model: Provenance | null;
    readonly golden: GoldenProvenance | null;
  };
  /** What PyTorch gave: `[images, numClasses]`, row-major. */
  readonly expected: { readonly numClasses: number; readonly logits: Float32Array };
  /** One for each backend, in the order asked for. */
  readonly results: readonly BackendResult[];
  /** Why the first failing backend fails; null when all pass, or when not asked for. */
  readonly diagnosis: Diagnosis | null;
  readonly passed: boolean;
}

export interface BackendResult {
  readonly backend: BackendInfo;
  readonly comparison: Comparison;
  /** Layer by layer; null where the golden file holds no activations. */
  readonly layers: LayerReport | null;
  /** How the model's kernels are stored, where that is in less than float32. */
  readonly stored?: Quantization;
  /** `[images, numClasses]`, row-major. */
  readonly logits: Float32Array;
  /** Wall time of one image in the median, in milliseconds; the first pays for the warm-up. */
  readonly millisecondsPerImage: number;
}

/**
 * Runs a written model on backends and compares its logits with PyTorch's, image by image; layer by
 * layer where the golden file holds activations; and looks for the cause where they differ.
 *
 * @param files `model.json` and its shards, as read back from where they were written
 * @throws Pth2tfjsError `model` for files that are no such model; `golden` when the images, the
 *   classes or the checkpoint do not fit the model; `model` also when parity holds and a stored weight is
 *   not the checkpoint's; `backend` when a backend is absent; `no-gpu`
 *   when one is required and not there.
 */
export async function verifyModel(
  files: readonly NamedBytes[],
  golden: Golden,
  options: VerifyOptions = {},
): Promise<Verification> {
  const provenance = readProvenance(files);
  if (!options.allowOtherCheckpoint) checkSameCheckpoint(provenance, golden);
  const results: BackendResult[] = [];
  for (const name of options.backends ?? ['wasm']) {
    results.push(await onBackend(name, files, golden, options));
  }
  const passed = results.every(({ comparison }) => comparison.passed);
  const failing = results.find(({ comparison }) => !comparison.passed);
  const diagnosis =
    failing === undefined || options.diagnose === false
      ? null
      : await diagnose({ files, golden, failing, options: whileDiagnosing(options), provenance });
  if (passed && options.checkpoint !== undefined) {
    await checkStoredWeights(files, golden, options.checkpoint, provenance);
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
  const { onProgress } = options;
  return { ...options, onProgress: (progress) => onProgress?.({ ...progress, diagnosing: true }) };
}

async function onBackend(
  name: BackendName,
  files: readonly NamedBytes[],
  golden: Golden,
  options: VerifyOptions,
): Promise<BackendResult> {
  options.onProgress?.({ backend: name, step: 'starting', done: 0 });
  const backend = await prepareBackend(name, options);
  try {
    if (options.requireGpu) requireGpu(backend.info);
    const model = await loadModel(files);
    const stored = quantizationIn(readFiles(files).specs);
    try {
      return await runBackend(model, { info: backend.info, stored }, golden, options);
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
      hint: 'choose --backend webgpu or cuda on a machine with a GPU and its driver, or drop --require-gpu',
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
