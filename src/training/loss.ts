import {
  addN,
  cast,
  logSoftmax,
  mean,
  mul,
  neg,
  oneHot,
  reshape,
  type Scalar,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tidy,
} from '@tensorflow/tfjs-core';

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
 * @param labels indices of the classes, int32 `[images]`
 * @returns the mean over the images
 */
export function googlenetLoss(
  { logits, auxLogits2, auxLogits1 }: GoogLeNetOutputs,
  labels: Tensor1D,
): Scalar {
  return tidy(() => {
    const heads = [auxLogits2, auxLogits1].filter((head) => head !== undefined);
    const losses = heads.map((head) => mul(crossEntropy(labels, head), AUX_LOSS_WEIGHT) as Scalar);
    return addN([crossEntropy(labels, logits), ...losses]) as Scalar;
  });
}

/**
 * nn.CrossEntropyLoss: mean over the images of -log softmax at the label.
 * @param labels indices of the classes, `[images]` or `[images, 1]`; or probabilities, such as one-hot
 *   labels, `[images, numClasses]`, which `model.fit` wants
 * @param logits `[images, numClasses]`
 */
export function crossEntropy(labels: Tensor, logits: Tensor2D): Scalar {
  return tidy(() => {
    const given = labels.rank > 1 && labels.shape[1] === logits.shape[1];
    const truth = given ? labels : oneHot(cast(reshape(labels, [-1]), 'int32'), logits.shape[1]);
    return neg(mean(sum(mul(truth, logSoftmax(logits)), -1)));
  });
}
