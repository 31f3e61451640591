import { toFloat32 } from '../../checkpoint/tensor/float32.js';
import { type FoldBatchNorm, foldBatchNorm } from '../../network/plan.js';
import { type EditableModel, withLayers } from '../../stored-model/editable-model.js';
import type { Laboratory } from '../laboratory.js';
import { BATCH_NORM_EPS, networkLayers } from '../structure.js';

/** One BasicConv2d's BatchNorm, as the checkpoint has it. */
export interface BatchNormParameters {
  readonly gamma: Float32Array;
  readonly beta: Float32Array;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
}

/** The network with BatchNorm and ReLU taken out of its convolutions, to be done by hand. */
export interface RawNetwork {
  /** Its convolutions have PyTorch's own kernels, no bias, and no activation. */
  readonly model: EditableModel;
  /** By convolution, such as `inception3a.branch2.1`. */
  readonly batchNorms: ReadonlyMap<string, BatchNormParameters>;
}

/** Builds it from the checkpoint; null where that is not at hand. */
export function rawNetwork(lab: Laboratory): RawNetwork | null {
  const model = lab.fromCheckpoint(withoutBatchNorm);
  if (model === null || lab.checkpoint === null) return null;
  const { stateDict } = lab.checkpoint;
  const batchNorms = new Map<string, BatchNormParameters>();
  for (const { path, op } of networkLayers(lab.checkpoint)) {
    const norm = op.type === 'conv2d' ? op.batchNorm : undefined;
    if (norm === undefined) continue;
    const field = (name: string) => toFloat32(stateDict.get(`${norm.module}.${name}`) as never);
    batchNorms.set(path, {
      gamma: field('weight'),
      beta: field('bias'),
      mean: field('running_mean'),
      variance: field('running_var'),
    });
  }
  const linear = withLayers(model, (layer) =>
    layer.class_name === 'Conv2D'
      ? { ...layer, config: { ...layer.config, activation: 'linear' } }
      : layer,
  );
  return { model: linear, batchNorms };
}

/** No BatchNorm at all: leaves the convolution as it is. */
const withoutBatchNorm: FoldBatchNorm = (gamma) => ({
  scale: new Float64Array(gamma.length).fill(1),
  offset: new Float64Array(gamma.length),
});

/** BatchNorm over the last axis, in place of what the convolution gave. */
export function normalize(values: Float32Array, parameters: BatchNormParameters): Float32Array {
  const { gamma, beta, mean, variance } = parameters;
  const { scale, offset } = foldBatchNorm(gamma, beta, mean, variance, BATCH_NORM_EPS);
  const channels = gamma.length;
  return values.map(
    (value, i) => value * (scale[i % channels] as number) + (offset[i % channels] as number),
  );
}

export function relu(values: Float32Array): Float32Array {
  return values.map((value) => Math.max(value, 0));
}
