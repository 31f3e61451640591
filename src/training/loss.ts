import {
  add,
  addN,
  cast,
  equal,
  greaterEqual,
  less,
  logicalAnd,
  logicalNot,
  logSoftmax,
  maximum,
  mean,
  min,
  mul,
  neg,
  range,
  reciprocal,
  reshape,
  type Scalar,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tidy,
  where,
} from '@tensorflow/tfjs-core';
import {
  areIndices,
  checkLabels,
  deviation,
  IGNORE_INDEX,
  MOST_DEVIATION,
  wholeNumbers,
} from './labels.js';

/** What the network gives in training: torchvision's GoogLeNetOutputs, `[images, numClasses]` each. */
export interface GoogLeNetOutputs {
  readonly logits: Tensor2D;
  /** Absent without auxiliary heads. */
  readonly auxLogits2?: Tensor2D | undefined;
  readonly auxLogits1?: Tensor2D | undefined;
}

/** The share of each auxiliary head in the loss. Source: "Going Deeper with Convolutions", section 5. */
export const AUX_LOSS_WEIGHT = 0.3;

/**
 * The loss that the network is trained with: cross-entropy of the logits, and 0.3 times that of each
 * auxiliary head. Differentiable, for `tf.variableGrads` and `optimizer.minimize`.
 * @param labels indices of the classes, int32 `[images]`, as {@link crossEntropy} takes them
 * @returns the mean over the images
 * @throws Pth2tfjsError `usage` as {@link crossEntropy} does
 */
export function googlenetLoss(
  { logits, auxLogits2, auxLogits1 }: GoogLeNetOutputs,
  labels: Tensor1D,
): Scalar {
  const heads = [auxLogits2, auxLogits1].filter((head) => head !== undefined);
  // Before any of them runs: what a GPU has taken over is slow to read, or cannot be read at once.
  for (const head of [logits, ...heads]) checkLabels(labels, head);
  return tidy(() => {
    const losses = heads.map((head) => mul(meanLoss(labels, head), AUX_LOSS_WEIGHT) as Scalar);
    return addN([meanLoss(labels, logits), ...losses]) as Scalar;
  });
}

/**
 * nn.CrossEntropyLoss: mean over the images of -log softmax at the label. Images with the label -100 do
 * not count; if there are no others, the mean is NaN, and every gradient 0. Labels that make no sense are
 * an error, where they can be read without waiting: on all backends but webgpu, and there as long as the
 * GPU has not computed them. Else they make the loss NaN.
 * @param labels indices of the classes, `[images]` or `[images, 1]`; or probabilities, such as one-hot
 *   labels, `[images, numClasses]`, which `model.fit` wants
 * @param logits `[images, numClasses]`
 * @throws Pth2tfjsError `usage` for an index that is no class, probabilities of an image that do not sum
 *   to 1, as one-hot labels of no class, and other shapes
 */
export function crossEntropy(labels: Tensor, logits: Tensor2D): Scalar {
  checkLabels(labels, logits);
  return meanLoss(labels, logits);
}

function meanLoss(labels: Tensor, logits: Tensor2D): Scalar {
  return tidy(() => {
    if (areIndices(labels)) return ofIndices(cast(reshape(labels, [-1]), 'float32'), logits);
    const losses = neg(sum(mul(labels, logSoftmax(logits)), -1));
    return mean(where(areDistributions(labels as Tensor2D), losses, Number.NaN));
  });
}

/** Divides by 1 if nothing counts, which keeps the gradient finite; 0 / 0 would be 1 on webgl. */
function ofIndices(labels: Tensor1D, logits: Tensor2D): Scalar {
  const ignored = equal(labels, IGNORE_INDEX);
  const count = sum(cast(logicalNot(ignored), 'float32'));
  const fair = isClass(labels, logits.shape[1]);
  // Not multiplied: a logit of -Infinity elsewhere would make it NaN.
  const chosen = equal(reshape(labels, [-1, 1]), range(0, logits.shape[1]));
  const losses = neg(sum(where(chosen, logSoftmax(logits), 0), -1));
  const counted = where(fair, losses, where(ignored, 0, Number.NaN));
  const average = mul(sum(counted), reciprocal(maximum(count, 1)));
  return add(average, where(equal(count, 0), Number.NaN, 0));
}

function isClass(labels: Tensor1D, numClasses: number): Tensor {
  const inside = logicalAnd(greaterEqual(labels, 0), less(labels, numClasses));
  return logicalAnd(inside, wholeNumbers(labels));
}

function areDistributions(labels: Tensor2D): Tensor {
  const sums = less(deviation(labels), MOST_DEVIATION);
  return logicalAnd(sums, greaterEqual(min(labels, -1), 0));
}
