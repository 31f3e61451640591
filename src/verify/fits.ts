import { Pth2tfjsError } from '../base/errors.js';
import { option } from '../base/option.js';
import { counted } from '../base/plural.js';
import { findNonPixel } from '../image/imagenet.js';
import { NETWORK } from '../networks/index.js';
import type { Network } from '../runtimes/loaded-model.js';
import { madeOf, type Provenance } from '../stored-model/provenance.js';
import { measureErrors } from './compare.js';
import { batchNHWC, type Golden } from './golden.js';

/**
 * A golden file says nothing about a model that was made from other weights.
 * @throws Pth2tfjsError `golden` where both name their checkpoint, and it is not the same
 */
export function checkSameCheckpoint(
  model: Provenance | null,
  { provenance: golden }: Pick<Golden, 'provenance'>,
): void {
  if (madeOf(model?.source, golden) !== false) return;
  const name = golden?.checkpoint ? `${golden.checkpoint}, ` : '';
  throw new Pth2tfjsError(
    'golden',
    `the golden file was made from another checkpoint (${name}SHA-256 ${golden?.checkpointSha256}) than the model (${model?.source?.sha256})`,
    { hint: `capture it from the same checkpoint, or pass ${option('allowOtherCheckpoint')}` },
  );
}

/**
 * Whether a model can take a golden file's images, and give as many logits.
 * @throws Pth2tfjsError `golden` where it cannot
 */
export function checkFits(
  model: Pick<Network, 'inputShape' | 'numClasses' | 'input'>,
  golden: Golden,
): void {
  const { shape, numClasses } = golden;
  const [, height, width] = model.inputShape;
  if (shape[2] !== height || shape[3] !== width) {
    throw mismatch(
      `holds images of ${shape[2]}x${shape[3]}, the model takes ${height}x${width}`,
      shape[2] < NETWORK.imageSizes.min
        ? `capture it from images of ${NETWORK.imageSizes.min} pixels or more, for the network takes no smaller ones`
        : `convert with ${option('imageSize', shape[2])}`,
    );
  }
  if (numClasses !== model.numClasses) {
    throw mismatch(
      `holds logits of ${counted(numClasses, 'class', 'classes')}, the model gives ${model.numClasses}`,
      'pass the golden file that belongs to this checkpoint',
    );
  }
  const odd = model.input === 'pixels' ? findNonPixel(batchNHWC(golden)) : undefined;
  if (odd !== undefined) {
    throw mismatch(
      `holds ${odd} in its input, which no normalised 8-bit pixel gives, and the model takes pixels`,
      `capture it from images, or take a model that was converted with ${option('input', 'normalized')}`,
    );
  }
}

function mismatch(message: string, hint: string): Pth2tfjsError {
  return new Pth2tfjsError('golden', `the golden file ${message}`, { hint });
}

/**
 * What a user should know of a golden file before believing what it proves of a model, one sentence each: where both
 * say of themselves what cannot be, and where the logits do not depend on the images.
 */
export function doubts(model: Pick<Provenance, 'transformInput'> | null, golden: Golden): string[] {
  return [...contradictions(model, golden), ...blindness(golden)];
}

/** As near to each other as this, the logits of different images tell of little but the classifier's bias. */
const ALIKE = 1e-3;

function blindness({ logits, numClasses, shape }: Golden): string[] {
  const [images] = shape;
  const [first, ...others] = Array.from({ length: images }, (_, image) =>
    logits.subarray(image * numClasses, (image + 1) * numClasses),
  ) as [Float32Array, ...Float32Array[]];
  if (others.length === 0) return [];
  const spread = Math.max(...others.map((each) => measureErrors(first, each).relativeError));
  if (!(spread < ALIKE)) return [];
  return [
    `the golden file's logits hardly depend on the image: they differ by ${spread.toExponential(1)} of their norm, so that they prove little more than the classifier's bias; untrained weights give such logits, and so do images that are all the same`,
  ];
}

function contradictions(
  model: Pick<Provenance, 'transformInput'> | null,
  { provenance: golden }: Pick<Golden, 'provenance'>,
): string[] {
  const said = golden?.transformInput;
  const both = typeof said === 'boolean' && typeof model?.transformInput === 'boolean';
  const [theirs, ours] = [said ? 'on' : 'off', said ? 'off' : 'on'];
  return [
    ...(both && model.transformInput !== said
      ? [
          `the golden file says that transform_input was ${theirs} in PyTorch, the model has it ${ours}; ${option('transformInput', said)} converts it as PyTorch had it`,
        ]
      : []),
    ...(golden?.training === true
      ? [
          "the golden file says that PyTorch's model was in training mode, where dropout and the batch's statistics change the logits; make it again after model.eval()",
        ]
      : []),
  ];
}
