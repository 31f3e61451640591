import { isPth2tfjsError } from '../base/errors.js';
import { type CheckpointSource, openCheckpoint } from '../checkpoint/checkpoint-file.js';
import { convertCheckpoint } from '../convert.js';
import type { ConvertOptions } from '../convert-options.js';
import { openAnyModel } from '../stored-model/open-any.js';
import { type Quantization, quantizationsFor } from '../stored-model/quantization.js';
import type { AnyModel } from '../stored-model/stored-onnx.js';
import type { Golden } from './golden.js';
import type { Verification, VerifyOptions } from './verification.js';
import { verifyStored } from './verify-model.js';

/** What storing the weights in one way costs and saves. */
export interface QuantizationTrial {
  readonly stored: Quantization | 'float32';
  /** Of all the model's files. */
  readonly bytes: number;
  /** Largest relative error of an image's logits against PyTorch's. */
  readonly error: number;
  /** Images whose most probable class is another one than in PyTorch. */
  readonly top1Changes: number;
  readonly images: number;
}

/** What a verification tells of a model that is stored so. */
export function trialOf(
  stored: QuantizationTrial['stored'],
  { bytes }: Pick<AnyModel, 'bytes'>,
  { results }: Verification,
): QuantizationTrial {
  const images = results[0]?.comparison.images ?? [];
  return {
    stored,
    bytes,
    error: results[0]?.comparison.required.rtol ?? NaN,
    top1Changes: images.filter(({ top5 }) => top5.expected[0] !== top5.actual[0]).length,
    images: images.length,
  };
}

/**
 * Converts a checkpoint in every way of storing the weights, and compares each with PyTorch. Ways that
 * cannot hold these weights are left out.
 * @param measured trials that need not be made again
 * @throws Pth2tfjsError as `convertCheckpoint` and `verifyModel` do
 */
export async function compareQuantizations(
  checkpoint: CheckpointSource,
  golden: Golden,
  convert: ConvertOptions,
  verify: VerifyOptions = {},
  measured: readonly QuantizationTrial[] = [],
): Promise<readonly QuantizationTrial[]> {
  // Layer by layer it would take twice as long, for nothing that is shown.
  const logitsOnly = { ...golden, activations: new Map() };
  const opened = openCheckpoint(checkpoint, convert);
  const trials: QuantizationTrial[] = [];
  for (const quantization of [undefined, ...quantizationsFor(convert.format ?? 'layers')]) {
    const stored = quantization ?? 'float32';
    const known = measured.find((trial) => trial.stored === stored);
    try {
      trials.push(known ?? (await measure({ ...convert, quantization }, stored)));
    } catch (error) {
      if (!isPth2tfjsError(error) || error.code !== 'unsupported') throw error;
    }
  }
  return trials;

  async function measure(options: ConvertOptions, stored: QuantizationTrial['stored']) {
    const { files } = await convertCheckpoint(opened, options);
    const model = openAnyModel(files);
    const verification = await verifyStored([model], logitsOnly, {
      ...verify,
      diagnose: false,
      // Only how far it is from PyTorch is of interest, and not what would excuse it.
      tolerance: { rtol: Infinity },
    });
    return trialOf(stored, model, verification);
  }
}
