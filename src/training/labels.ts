import {
  abs,
  backend,
  equal,
  floor,
  getBackend,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
} from '@tensorflow/tfjs-core';
import { Pth2tfjsError } from '../base/errors.js';

/** nn.CrossEntropyLoss's `ignore_index`: the label of an image that does not count. */
export const IGNORE_INDEX = -100;

/** How far from 1 the probabilities of an image may sum: float16 keeps three digits. */
export const MOST_DEVIATION = 1e-3;

/** Whether labels are indices of classes; else they are probabilities. */
export function areIndices(labels: Tensor): boolean {
  return labels.rank < 2 || labels.shape[1] === 1;
}

/**
 * Checks the labels of a batch, as far as they can be read without waiting for a GPU.
 * @param labels indices `[images]` or `[images, 1]`, or probabilities `[images, numClasses]`
 * @param logits `[images, numClasses]`
 * @throws Pth2tfjsError `usage` for labels that make no sense
 */
export function checkLabels(labels: Tensor, logits: Tensor2D): void {
  checkShapes(labels, logits);
  const values = readNow(labels);
  if (values === undefined) return;
  if (areIndices(labels)) checkIndices(values, logits.shape[1]);
  else checkProbabilities(values, logits.shape[1]);
}

function checkShapes(labels: Tensor, logits: Tensor2D): void {
  const [images, numClasses] = logits.shape;
  const wanted = [`${images}`, `${images},1`, `${images},${numClasses}`];
  if (logits.rank === 2 && wanted.includes(String(labels.shape))) return;
  throw new Pth2tfjsError(
    'usage',
    `labels of shape [${labels.shape}] for logits of shape [${logits.shape}]`,
    { hint: 'pass the index of a class for each image, or a probability for each image and class' },
  );
}

function checkIndices(labels: ArrayLike<number>, numClasses: number): void {
  for (let image = 0; image < labels.length; image++) {
    const label = labels[image] as number;
    const fair = Number.isInteger(label) && label >= 0 && label < numClasses;
    if (!fair && label !== IGNORE_INDEX) throw noClass(label, image, numClasses);
  }
}

function noClass(label: number, image: number, numClasses: number): Pth2tfjsError {
  const hint =
    numClasses === 1
      ? 'a network of one class is trained with tf.losses.sigmoidCrossEntropy, as with BCEWithLogitsLoss in PyTorch; or give it two classes'
      : `label images that are not to count with ${IGNORE_INDEX}`;
  const range =
    numClasses === 1 ? '0, the only class' : `a whole number from 0 to ${numClasses - 1}`;
  return new Pth2tfjsError(
    'usage',
    `image ${image} of the batch has the label ${label}, not ${range}`,
    {
      hint,
    },
  );
}

function checkProbabilities(labels: ArrayLike<number>, numClasses: number): void {
  for (let start = 0; start < labels.length; start += numClasses) {
    const row = Array.from({ length: numClasses }, (_, i) => labels[start + i] as number);
    const total = row.reduce((a, b) => a + b, 0);
    if (row.every((value) => value >= 0) && Math.abs(total - 1) < MOST_DEVIATION) continue;
    throw new Pth2tfjsError(
      'usage',
      `the labels of image ${start / numClasses} of the batch are no probabilities: they sum to ${total}`,
      {
        hint: 'each must be 0 or more, and those of an image sum to 1; tf.oneHot gives zeros alone for what is no class',
      },
    );
  }
}

/** A tensor's values, or undefined where webgpu would have to be waited for. */
function readNow(labels: Tensor): ArrayLike<number> | undefined {
  if (getBackend() !== 'webgpu') return labels.dataSync();
  const { tensorMap } = backend() as unknown as WebGPUBackend;
  return tensorMap?.get(labels.dataId)?.values ?? undefined;
}

/** What TensorFlow.js's backend keeps of a tensor; `values` until they go to the GPU. */
interface WebGPUBackend {
  readonly tensorMap?: {
    get(dataId: object): { readonly values?: ArrayLike<number> | null } | undefined;
  };
}

/** Where floats are whole. */
export function wholeNumbers(labels: Tensor): Tensor {
  return equal(labels, floor(labels));
}

/** How far from 1 the labels of each image sum. */
export function deviation(labels: Tensor2D): Tensor {
  return abs(sub(sum(labels, -1), 1));
}
