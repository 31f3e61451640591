import { toFloat32 } from '../../../checkpoint/float32.js';
import type { StateDict } from '../../../checkpoint/tensor.js';
import { AUX, AUX_HEADS, type AuxHead, BATCH_NORM_EPS } from '../../../googlenet/architecture.js';
import { batchNormWith } from '../../../googlenet/weights.js';
import type { Explanation } from '../one-layer/explanation.js';
import { TORCHVISION_GOLDEN } from '../suspect.js';
import { distance, type Rows, rowAt } from './rows.js';

/** Whether the golden file holds the logits of an auxiliary head, in evaluation mode. */
export function auxiliaryOutputs(
  stateDict: StateDict | undefined,
  expected: Rows,
  stage: (name: string) => Float32Array | undefined,
  goal: number,
): Explanation | undefined {
  for (const head of AUX_HEADS) {
    const values = stage(head.stage);
    const weights = stateDict && weightsOf(stateDict, head);
    if (values === undefined || !weights) continue;
    const length = values.length / expected.images;
    const errors = Array.from({ length: expected.images }, (_, image) => {
      const logits = runHead(weights, values.subarray(image * length, (image + 1) * length), head);
      return logits.length === expected.columns
        ? distance(rowAt(expected, image), logits)
        : Infinity;
    });
    const error = Math.max(...errors);
    if (error > goal) continue;
    const summary = `the golden file holds the logits of the auxiliary head ${head.name}, not those of the network`;
    return {
      key: summary,
      id: 'auxiliary-head',
      nowhere: true,
      summary: () => summary,
      cure: TORCHVISION_GOLDEN,
      error,
    };
  }
  return undefined;
}

type HeadWeights = (field: string) => Float32Array;

/** Null where the checkpoint holds no such head. */
function weightsOf(stateDict: StateDict, { name }: AuxHead): HeadWeights | null {
  if (!stateDict.has(`${name}.fc2.weight`) || !stateDict.has(`${name}.conv.conv.weight`))
    return null;
  return (field) => toFloat32(stateDict.get(`${name}.${field}`) as never);
}

/** Average pool to 4x4, a 1x1 convolution, two linear layers; without dropout. */
function runHead(
  weights: HeadWeights,
  values: Float32Array,
  { inChannels }: AuxHead,
): Float64Array {
  const size = Math.sqrt(values.length / inChannels);
  const pooled = adaptivePool(values, size, inChannels);
  const [gamma, beta, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map(
    (field) => weights(`conv.bn.${field}`),
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const { scale, offset } = batchNormWith(BATCH_NORM_EPS)(gamma, beta, mean, variance);
  const kernel = weights('conv.conv.weight');
  const positions = AUX.poolSize ** 2;
  const flat = new Float64Array(AUX.convChannels * positions);
  for (let p = 0; p < positions; p++) {
    const pixel = pooled.subarray(p * inChannels, (p + 1) * inChannels);
    for (const [o, sum] of multiply(kernel, pixel, AUX.convChannels).entries()) {
      const value = sum * (scale[o] as number) + (offset[o] as number);
      flat[o * positions + p] = Math.max(0, value);
    }
  }
  const hidden = affine(weights('fc1.weight'), weights('fc1.bias'), flat);
  return affine(
    weights('fc2.weight'),
    weights('fc2.bias'),
    hidden.map((value) => Math.max(0, value)),
  );
}

/** nn.AdaptiveAvgPool2d to 4x4 of channels last: windows may overlap. */
function adaptivePool(values: Float32Array, size: number, channels: number): Float64Array {
  const to = AUX.poolSize;
  const out = new Float64Array(to * to * channels);
  const [start, end] = [
    (i: number) => Math.floor((i * size) / to),
    (i: number) => Math.ceil(((i + 1) * size) / to),
  ];
  for (let p = 0; p < to * to; p++) {
    const [row, column] = [Math.floor(p / to), p % to];
    const area = (end(row) - start(row)) * (end(column) - start(column));
    for (let y = start(row); y < end(row); y++) {
      for (let x = start(column); x < end(column); x++) {
        for (let c = 0; c < channels; c++) {
          const at = p * channels + c;
          out[at] = (out[at] as number) + (values[(y * size + x) * channels + c] as number) / area;
        }
      }
    }
  }
  return out;
}

function affine(weight: Float32Array, bias: Float32Array, input: Float64Array): Float64Array {
  return multiply(weight, input, bias.length).map((value, i) => value + (bias[i] as number));
}

/** A matrix of rows times a vector. */
function multiply(matrix: Float32Array, vector: Float64Array, rows: number): Float64Array {
  const length = vector.length;
  return Float64Array.from({ length: rows }, (_, row) => {
    let sum = 0;
    for (let i = 0; i < length; i++) {
      sum += (matrix[row * length + i] as number) * (vector[i] as number);
    }
    return sum;
  });
}
