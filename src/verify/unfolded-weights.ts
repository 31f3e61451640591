import { toFloat32 } from '../checkpoint/tensor/float32.js';
import type { StateDict } from '../checkpoint/tensor/tensor.js';
import {
  type FoldBatchNorm,
  type Folded,
  fillTensors,
  type StoredTensor,
} from '../network/plan.js';
import { numel } from '../numbers/shape.js';
import type { Weight } from '../stored-model/editable-model.js';

/**
 * A checkpoint's weights in the model's layout and order, read once, into which one BatchNorm after the
 * other can be folded.
 */
export class UnfoldedWeights {
  private readonly weights: ReadonlyMap<string, Weight>;

  constructor(
    private readonly tensors: readonly StoredTensor[],
    private readonly stateDict: StateDict,
  ) {
    const { data } = fillTensors(tensors, stateDict, { batchNorm: withoutBatchNorm });
    const weights = new Map<string, Weight>();
    let at = 0;
    for (const { name, shape } of tensors) {
      const length = numel(shape);
      weights.set(name, { shape, data: data.subarray(at, at + length) });
      at += length;
    }
    this.weights = weights;
  }

  /** The same numbers as filling the model's tensors with that BatchNorm gives. */
  fold(batchNorm: FoldBatchNorm): ReadonlyMap<string, Weight> {
    if (batchNorm === withoutBatchNorm) return this.weights;
    const folded = new Map(this.weights);
    for (const { name, recipe } of this.tensors) {
      const weight = this.weights.get(name);
      if (recipe.type !== 'folded' || weight === undefined) continue;
      folded.set(name, { ...weight, data: this.foldOne(recipe, weight.data, batchNorm) });
    }
    return folded;
  }

  private foldOne({ part, conv }: Folded, data: Float32Array, batchNorm: FoldBatchNorm) {
    const { module, eps } = conv.batchNorm;
    const [gamma, beta, mean, variance] = FIELDS.map((field) =>
      toFloat32(this.stateDict.get(`${module}.${field}`) as never),
    ) as [Float32Array, Float32Array, Float32Array, Float32Array];
    const { scale, offset } = batchNorm(gamma, beta, mean, variance, eps);
    return part === 'bias' ? Float32Array.from(offset) : scaleKernel(data, scale);
  }
}

const FIELDS = ['weight', 'bias', 'running_mean', 'running_var'] as const;

/** No BatchNorm at all: leaves the convolution as it is. */
export const withoutBatchNorm: FoldBatchNorm = (gamma) => ({
  scale: new Float64Array(gamma.length).fill(1),
  offset: new Float64Array(gamma.length),
});

/** A kernel times its output channel's scale, output channels innermost. */
export function scaleKernel(kernel: Float32Array, scale: Float64Array): Float32Array {
  const channels = scale.length;
  const out = new Float32Array(kernel.length);
  for (let at = 0; at < kernel.length; at += channels) {
    for (let c = 0; c < channels; c++) {
      out[at + c] = (kernel[at + c] as number) * (scale[c] as number);
    }
  }
  return out;
}
