import { foldBatchNorm } from '../network/plan.js';

/** A BatchNorm as what it does to each channel: `x * scale + offset`, in float64. */
export type BatchNorm = (
  gamma: Float32Array,
  beta: Float32Array,
  mean: Float32Array,
  variance: Float32Array,
) => { readonly scale: Float64Array; readonly offset: Float64Array };

/** BatchNorm in evaluation mode: `gamma * (x - mean) / sqrt(variance + eps) + beta`. */
export function batchNormWith(eps: number): BatchNorm {
  return (gamma, beta, mean, variance) => foldBatchNorm(gamma, beta, mean, variance, eps);
}

/** No BatchNorm at all: leaves the convolution as it is. */
export const WITHOUT_BATCH_NORM: BatchNorm = (gamma) => ({
  scale: new Float64Array(gamma.length).fill(1),
  offset: new Float64Array(gamma.length),
});
