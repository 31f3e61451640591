import { toFloat32 } from '../checkpoint/float32.js';
import { checkUnfolded, type StateDict, type TensorView } from '../checkpoint/tensor.js';
import { allFinite, findFaults, type WeightFaults } from '../weight-faults.js';
import { BATCH_NORM_EPS, type Branch3Kernel, type ConvBlock, convBlocks } from './architecture.js';
import type { WeightSpec } from './layer-graph.js';
import { TRANSFORM_INPUT } from './preprocess.js';

/** The model's weights, one after the other, and what is wrong with those that they are made of. */
export interface ModelWeights {
  /** All weights in the order of the specs, without gaps. */
  readonly data: Float32Array;
  /** By the keys of the state dict. */
  readonly faults: WeightFaults;
}

/**
 * Computes the inference weights of a state dict that has been matched: BatchNorm folded into each
 * convolution, kernels permuted from PyTorch's OIHW to HWIO, linear weights transposed.
 * The arithmetic is done in float64 and rounded to float32 once.
 * @throws Pth2tfjsError `limit` as {@link checkUnfolded} does
 */
export function computeWeights(
  stateDict: StateDict,
  specs: readonly WeightSpec[],
  branch3Kernel: Branch3Kernel,
  batchNorm: BatchNorm = batchNormWith(BATCH_NORM_EPS),
): ModelWeights {
  checkUnfolded(inferenceKeys(branch3Kernel).map((key) => stateDict.get(key) as TensorView));
  const layout = layOut(specs);
  const [broken, zero]: [string[], string[]] = [[], []];
  const tensor = (key: string): Float32Array => toFloat32(stateDict.get(key) as never);
  const slot = (name: string): Float32Array => layout.slots.get(name) as Float32Array;
  for (const conv of convBlocks(branch3Kernel)) {
    const finite = foldConv(
      conv,
      tensor,
      batchNorm,
      slot(`${conv.name}/kernel`),
      slot(`${conv.name}/bias`),
    );
    if (!finite) broken.push(conv.name);
    else if (slot(`${conv.name}/kernel`).every(isZero)) zero.push(zeroIn(conv.name, tensor));
  }
  slot('fc/bias').set(tensor('fc.bias'));
  transpose(tensor('fc.weight'), slot('fc/kernel'), slot('fc/bias').length);
  const heads = findFaults(['fc.weight', 'fc.bias'].map((key) => [key, tensor(key)]));
  layout.slots.get('transform_input/depthwise_kernel')?.set(TRANSFORM_INPUT.scale);
  layout.slots.get('transform_input/bias')?.set(TRANSFORM_INPUT.offset);
  return { data: layout.data, faults: joinFaults(heads, findBroken(broken, tensor), zero) };
}

/** The tensors that inference takes. */
function inferenceKeys(branch3Kernel: Branch3Kernel): string[] {
  const convs = convBlocks(branch3Kernel).flatMap(({ name }) => [
    `${name}.conv.weight`,
    ...BATCH_NORM_FIELDS.map((field) => `${name}.bn.${field}`),
  ]);
  return [...convs, 'fc.weight', 'fc.bias'];
}

const isZero = (value: number) => value === 0;

/** What makes a folded kernel zero. */
function zeroIn(conv: string, tensor: (key: string) => Float32Array): string {
  const kernel = `${conv}.conv.weight`;
  return tensor(kernel).every(isZero) ? kernel : `${conv}.bn.weight`;
}

/** Which tensors of folded convolutions are to blame. */
function findBroken(convs: readonly string[], tensor: (key: string) => Float32Array): WeightFaults {
  const fields = ['conv.weight', ...BATCH_NORM_FIELDS.map((field) => `bn.${field}`)];
  const faults = convs.map((conv) =>
    findFaults(fields.map((field) => [`${conv}.${field}`, tensor(`${conv}.${field}`)])),
  );
  const innocent = ({ nonFinite, negative }: WeightFaults) =>
    nonFinite.length + negative.length === 0;
  return {
    nonFinite: faults.flatMap(({ nonFinite }) => nonFinite),
    negative: faults.flatMap(({ negative }) => negative),
    overflowing: convs.flatMap((conv, i) =>
      innocent(faults[i] as WeightFaults) ? [`${conv}.conv.weight`] : [],
    ),
    zero: [],
    allZero: false,
  };
}

function joinFaults(fc: WeightFaults, broken: WeightFaults, zero: readonly string[]): WeightFaults {
  return {
    ...broken,
    nonFinite: [...broken.nonFinite, ...fc.nonFinite],
    zero: [...zero, ...fc.zero],
    allZero: fc.allZero && zero.length === convBlocks(3).length,
  };
}

function layOut(specs: readonly WeightSpec[]): {
  data: Float32Array;
  slots: ReadonlyMap<string, Float32Array>;
} {
  const lengths = specs.map(({ shape }) => shape.reduce((product, size) => product * size, 1));
  const data = new Float32Array(lengths.reduce((sum, length) => sum + length, 0));
  const slots = new Map<string, Float32Array>();
  let at = 0;
  for (const [i, { name }] of specs.entries()) {
    const end = at + (lengths[i] as number);
    slots.set(name, data.subarray(at, end));
    at = end;
  }
  return { data, slots };
}

/** A BatchNorm as what it does to each channel: `x * scale + offset`, in float64. */
export type BatchNorm = (
  gamma: Float32Array,
  beta: Float32Array,
  mean: Float32Array,
  variance: Float32Array,
) => { readonly scale: Float64Array; readonly offset: Float64Array };

const BATCH_NORM_FIELDS = ['weight', 'bias', 'running_mean', 'running_var'] as const;

/** BatchNorm in evaluation mode: `gamma * (x - mean) / sqrt(variance + eps) + beta`. */
export function batchNormWith(eps: number): BatchNorm {
  return (gamma, beta, mean, variance) => {
    const scale = Float64Array.from(gamma, (g, c) => g / Math.sqrt((variance[c] as number) + eps));
    const offset = Float64Array.from(
      beta,
      (b, c) => b - (mean[c] as number) * (scale[c] as number),
    );
    return { scale, offset };
  };
}

/** No BatchNorm at all: leaves the convolution as it is. */
export const WITHOUT_BATCH_NORM: BatchNorm = (gamma) => ({
  scale: new Float64Array(gamma.length).fill(1),
  offset: new Float64Array(gamma.length),
});

/**
 * `bn(conv(x)) = gamma * (conv(x) - mean) / sqrt(var + eps) + beta` as one convolution with bias.
 * @param kernel receives `[kernel, kernel, inChannels, outChannels]`
 * @returns whether every folded number is finite
 */
function foldConv(
  { name, inChannels, outChannels, kernel: side }: ConvBlock,
  tensor: (key: string) => Float32Array,
  batchNorm: BatchNorm,
  kernel: Float32Array,
  bias: Float32Array,
): boolean {
  const source = tensor(`${name}.conv.weight`);
  const [gamma, beta, mean, variance] = BATCH_NORM_FIELDS.map((field) =>
    tensor(`${name}.bn.${field}`),
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const { scale, offset } = batchNorm(gamma, beta, mean, variance);
  bias.set(offset);
  const area = side * side;
  const filter = inChannels * area;
  // Output channels innermost: the reads then share cache lines with those of the next tap.
  for (let i = 0; i < inChannels; i++) {
    for (let p = 0; p < area; p++) {
      const to = (p * inChannels + i) * outChannels;
      for (let o = 0, from = i * area + p; o < outChannels; o++, from += filter) {
        kernel[to + o] = (source[from] as number) * (scale[o] as number);
      }
    }
  }
  return allFinite(kernel) && allFinite(bias);
}

/** `[rows, columns]` into `[columns, rows]`. */
function transpose(source: Float32Array, target: Float32Array, rows: number): void {
  const columns = source.length / rows;
  for (let c = 0; c < columns; c++) {
    for (let r = 0; r < rows; r++) target[c * rows + r] = source[r * columns + c] as number;
  }
}
