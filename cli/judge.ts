import { stat } from 'node:fs/promises';
import { Pth2tfjsError } from '../src/base/errors.js';
import type { CheckpointFile } from '../src/checkpoint/checkpoint-file.js';
import type { Conversion } from '../src/convert.js';
import type { ConvertOptions } from '../src/convert-options.js';
import type { ConvertedProvenance } from '../src/stored-model/provenance.js';
import type { AnyModel } from '../src/stored-model/stored-onnx.js';
import type { Golden } from '../src/verify/golden.js';
import type { QuantizationTrial } from '../src/verify/quantizations.js';
import type { Verification, VerifyOptions, VerifyProgress } from '../src/verify/verification.js';
import { readCheckpointFile } from './checkpoint.js';
import type { ConvertArguments } from './commands/convert-options.js';
import { inFile } from './input.js';
import { readModelDirectory, readOnnx } from './model-directory.js';
import type { StatusLine } from './progress.js';
import { HOST, runVerification, showProgress } from './run-verification.js';

/** A conversion that is to be judged, and what it is to be judged by. */
export interface Trial {
  readonly args: ConvertArguments & { readonly golden: string };
  readonly golden: Golden;
  readonly checkpoint: CheckpointFile;
  readonly options: ConvertOptions;
  readonly conversion: Conversion;
  /** Where it is shown what a long run is at. */
  readonly status: StatusLine;
}

/** How a converted model did. */
export interface Judgement {
  /** Bound on an image's relative error in float32, and the largest that was measured. */
  readonly bound: number;
  readonly float32: QuantizationTrial;
  /** As it lies on the disk; the same where that is float32. */
  readonly written: QuantizationTrial;
  /** What each way of storing it costs; absent for a trainable model, which is not stored otherwise. */
  readonly trials?: readonly QuantizationTrial[];
}

/**
 * Refuses a golden file that tells nothing about a model, before anything is run or written.
 * @throws Pth2tfjsError `golden`
 */
export async function checkGolden(
  { name, golden }: { readonly name: string; readonly golden: Golden },
  provenance: ConvertedProvenance,
  allowOtherCheckpoint: boolean,
): Promise<void> {
  const { checkFits, checkSameCheckpoint } = await import('../src/verify/fits.js');
  const { shape, kind } = provenance.input;
  const inputShape = [null, shape[2], shape[2], 3] as const;
  await inFile(name, async () => {
    if (!allowOtherCheckpoint) checkSameCheckpoint(provenance, golden);
    checkFits({ inputShape, numClasses: provenance.numClasses, input: kind }, golden);
  });
}

/** A model does not give PyTorch's logits. */
export class Unlike extends Error {
  constructor(readonly model: AnyModel) {
    super("the model does not give PyTorch's logits");
  }
}

/**
 * Reads a model back from where it was written, and compares it with PyTorch. One that is stored in less
 * than float32 is measured as it is, while the same in float32 must be within tolerance.
 * @throws Unlike when it is not
 */
export async function judge(written: string, trial: Trial): Promise<Judgement> {
  const stored = await readBack(written);
  const { quantization } = trial.conversion.provenance;
  const exact = quantization === undefined ? stored : await inFloat32(trial);
  const verification = await compare(exact, trial, { diagnose: false });
  if (!verification.passed) throw new Unlike(exact);
  const { trialOf } = await import('../src/verify/quantizations.js');
  const float32 = trialOf('float32', exact, verification);
  const bound = verification.results[0]?.comparison.tolerance.rtol ?? NaN;
  const asWritten =
    quantization === undefined
      ? float32
      : trialOf(quantization, stored, await compare(stored, trial, MEASURE_ONLY));
  if (trial.options.trainable) return { bound, float32, written: asWritten };
  const trials = await tryAll(trial, [float32, asWritten]);
  return { bound, float32, written: asWritten, trials };
}

/** How far it is from PyTorch, and not what would excuse that. */
const MEASURE_ONLY: VerifyOptions = { diagnose: false, tolerance: { rtol: Infinity } };

/** A model by its folder, or by its only file. */
async function readBack(written: string): Promise<AnyModel> {
  const isFolder = (await stat(written)).isDirectory();
  return isFolder ? readModelDirectory(written) : readOnnx(written);
}

/**
 * The same for a state dict in a file, which is judged by the model that it makes.
 * @throws Unlike when that does not give PyTorch's logits
 */
export async function judgeStateDict(path: string, trial: Trial): Promise<Judgement> {
  const { checkpoint } = await readCheckpointFile(path, true);
  const { transformInput, input } = trial.conversion.provenance;
  const { convertCheckpoint } = await import('../src/convert.js');
  const imageSize = input.shape[2];
  const { files } = await convertCheckpoint(checkpoint, { transformInput, imageSize });
  const { openAnyModel } = await import('../src/stored-model/open-any.js');
  const model = openAnyModel(files);
  const verification = await compare(model, trial, { diagnose: false });
  if (!verification.passed) throw new Unlike(model);
  const { trialOf } = await import('../src/verify/quantizations.js');
  const float32 = trialOf('float32', model, verification);
  const bound = verification.results[0]?.comparison.tolerance.rtol ?? NaN;
  return { bound, float32, written: float32 };
}

async function tryAll(
  { args, golden, checkpoint, options, status }: Trial,
  measured: readonly QuantizationTrial[],
): Promise<readonly QuantizationTrial[]> {
  const { compareQuantizations } = await import('../src/verify/quantizations.js');
  const { allowOtherCheckpoint } = args;
  const onProgress = (progress: VerifyProgress) => showProgress(status, progress);
  const verify = { ...HOST, allowOtherCheckpoint, onProgress };
  return compareQuantizations(checkpoint, golden, options, verify, measured);
}

async function inFloat32({ checkpoint, options }: Trial): Promise<AnyModel> {
  const { convertCheckpoint } = await import('../src/convert.js');
  const { openAnyModel } = await import('../src/stored-model/open-any.js');
  const { files } = await convertCheckpoint(checkpoint, { ...options, quantization: undefined });
  return openAnyModel(files);
}

/** Without the layers, which take as long again: they only matter to whoever looks for a cause. */
function compare(
  model: AnyModel,
  { args, golden, status }: Trial,
  options: VerifyOptions,
): Promise<Verification> {
  const { allowOtherCheckpoint } = args;
  const logitsOnly = { ...golden, activations: new Map() };
  return runVerification([model], logitsOnly, { allowOtherCheckpoint, ...options }, status);
}

/** Says why; this may take long, so nothing should wait on the disk for it. */
export async function explain({ model }: Unlike, trial: Trial): Promise<Pth2tfjsError> {
  const { args, golden, checkpoint, status } = trial;
  const { allowOtherCheckpoint, diagnose } = args;
  const options = { allowOtherCheckpoint, diagnose, checkpoint };
  const verification = await runVerification([model], golden, options, status);
  const { verdict } = await import('../src/verify/report/format-report.js');
  const { doubts } = await import('../src/verify/fits.js');
  const { cause, hints } = verification.diagnosis ?? {};
  const puzzled = hints === undefined ? [] : ['No usual suspect closes the gap', ...hints];
  const remarks = cause
    ? [cause.cure]
    : [...doubts(trial.conversion.provenance, golden), ...puzzled];
  const sentences = [`${args.out} is not written: ${verdict(verification)}`, ...remarks];
  const text = sentences.map((each) => each.replace(/\.$/, '')).join('. ');
  return new Pth2tfjsError('parity', text, {
    hint: 'leave --golden out to write it all the same',
  });
}
