import { toFloat32 } from '../../checkpoint/tensor/float32.js';
import { foldBatchNorm } from '../../network/plan.js';
import { type EditableModel, withLayers } from '../../stored-model/editable-model.js';
import type { Laboratory } from '../laboratory.js';
import { BATCH_NORM_EPS, networkLayers } from '../structure.js';
import { withoutBatchNorm } from '../unfolded-weights.js';

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
  /** By the paths of their convolutions. */
  readonly batchNorms: ReadonlyMap<string, BatchNormParameters>;
}

const made = new WeakMap<Laboratory, RawNetwork | null>();

/** Builds it from the checkpoint, once for a laboratory; null where that is not at hand. */
export function rawNetwork(lab: Laboratory): RawNetwork | null {
  const known = made.get(lab);
  if (known !== undefined) return known;
  const network = build(lab);
  made.set(lab, network);
  return network;
}

function build(lab: Laboratory): RawNetwork | null {
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

/** BatchNorm over the last axis, in place of what the convolution gave. */
export function normalize(values: Float32Array, parameters: BatchNormParameters): Float32Array {
  const { gamma, beta, mean, variance } = parameters;
  const { scale, offset } = foldBatchNorm(gamma, beta, mean, variance, BATCH_NORM_EPS);
  const channels = gamma.length;
  const out = new Float32Array(values.length);
  for (let at = 0; at < values.length; at += channels) {
    for (let c = 0; c < channels; c++) {
      out[at + c] = (values[at + c] as number) * (scale[c] as number) + (offset[c] as number);
    }
  }
  return out;
}

export function relu(values: Float32Array): Float32Array {
  return values.map((value) => Math.max(value, 0));
}
