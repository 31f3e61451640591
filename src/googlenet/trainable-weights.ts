import { concatenateFloats } from '../bytes.js';
import { denseTensor } from '../checkpoint/dense-tensor.js';
import type { DType } from '../checkpoint/dtype.js';
import { toFloat32 } from '../checkpoint/float32.js';
import { fromFloat32 } from '../checkpoint/from-float32.js';
import {
  checkUnfolded,
  contiguousBytes,
  type StateDict,
  type TensorView,
} from '../checkpoint/tensor.js';
import { findFaults } from '../weight-faults.js';
import { AUX, AUX_HEADS, featureMapSize } from './architecture.js';
import { stateDictLayout } from './keys.js';
import type { WeightSpec } from './layer-graph.js';
import { TRANSFORM_INPUT } from './preprocess.js';
import type { TrainableOptions } from './trainable.js';
import type { ModelWeights } from './weights.js';

/**
 * The trainable model's weights as those of the state dict, and back: each is the other permuted, so
 * that no bit is lost on the way.
 */

/** A tensor of the state dict and the weight that holds it. */
export interface WeightLink {
  /** Such as `conv1.conv.weight`. */
  readonly key: string;
  /** Such as `conv1.conv/kernel`. */
  readonly weight: string;
  /** As PyTorch has it. */
  readonly shape: readonly number[];
  /** Of kernels and linear weights, which TensorFlow has as HWIO; absent for vectors. */
  readonly oihw?: OIHW;
}

type OIHW = readonly [out: number, into: number, height: number, width: number];

/** What decides which tensors there are, and their shapes. */
export type LinkOptions = Pick<TrainableOptions, 'numClasses' | 'branch3Kernel' | 'auxClasses'>;

/** Every float tensor of the state dict, in torchvision's order. */
export function weightLinks(options: LinkOptions): WeightLink[] {
  const floats = [...stateDictLayout(options)].filter(([, { dtype }]) => dtype === 'float32');
  return floats.map(([key, { shape }]) => {
    const link = { key, weight: weightName(key), shape };
    return shape.length === 1 ? link : { ...link, oihw: toFour(key, shape) };
  });
}

const BATCH_NORM: Readonly<Record<string, string>> = {
  weight: 'gamma',
  bias: 'beta',
  running_mean: 'moving_mean',
  running_var: 'moving_variance',
};

function weightName(key: string): string {
  const dot = key.lastIndexOf('.');
  const [module, field] = [key.slice(0, dot), key.slice(dot + 1)];
  if (module.endsWith('.bn')) return `${module}/${BATCH_NORM[field]}`;
  return `${module}/${field === 'weight' ? 'kernel' : field}`;
}

/** A linear weight as a 1x1 kernel. */
function toFour(key: string, shape: readonly number[]): OIHW {
  const [out = 0, into = 0, height = 1, width = 1] = shape;
  // PyTorch flattens the feature maps of an auxiliary head channels first, TensorFlow channels last.
  if (!key.endsWith('.fc1.weight')) return [out, into, height, width];
  return [out, AUX.convChannels, AUX.poolSize, AUX.poolSize];
}

/** Batches that each BatchNorm was trained with, by its BasicConv2d; null for files of torch before 0.4.1. */
export type BatchesTracked = ReadonlyMap<string, number> | null;

/**
 * The state dict of a trainable model, as torchvision lays it out.
 * @param read a weight's values by its name in the model, such as `conv1.conv/kernel`
 * @param dtype what to store float tensors as
 */
export function toStateDict(
  read: (weight: string) => Float32Array,
  options: LinkOptions,
  batches: BatchesTracked,
  dtype: DType = 'float32',
): StateDict {
  const links = new Map(weightLinks(options).map((link) => [link.key, link]));
  const stateDict = new Map<string, TensorView>();
  for (const [key, { shape }] of stateDictLayout(options)) {
    const link = links.get(key);
    if (link !== undefined) {
      const values = read(link.weight);
      const data = link.oihw === undefined ? values : toOIHW(values, link.oihw);
      stateDict.set(key, denseTensor(dtype, shape, fromFloat32(data, dtype)));
    } else if (batches !== null) {
      const count = batches.get(key.replace(/\.bn\.num_batches_tracked$/, '')) ?? 0;
      stateDict.set(key, denseTensor('int64', shape, BigInt64Array.of(BigInt(count))));
    }
  }
  return stateDict;
}

/** The counts of a state dict. */
export function batchesTracked(stateDict: StateDict): BatchesTracked {
  const suffix = '.bn.num_batches_tracked';
  const keys = [...stateDict.keys()].filter((key) => key.endsWith(suffix));
  if (keys.length === 0) return null;
  return new Map(
    keys.map((key) => [key.slice(0, -suffix.length), readCount(stateDict.get(key) as TensorView)]),
  );
}

/** float32 would round counts beyond 2^24. */
function readCount(tensor: TensorView): number {
  if (tensor.dtype !== 'int64') return toFloat32(tensor)[0] as number;
  const { buffer, byteOffset } = contiguousBytes(tensor);
  return Number(new DataView(buffer, byteOffset).getBigInt64(0, true));
}

/**
 * The weights of a state dict that has been matched, and those that are the same in every model.
 * @returns as {@link computeWeights} does
 * @throws Pth2tfjsError `limit` as {@link checkUnfolded} does
 */
export function computeTrainableWeights(
  stateDict: StateDict,
  specs: readonly WeightSpec[],
  options: TrainableOptions,
): ModelWeights {
  const links = weightLinks(options);
  checkUnfolded(links.map(({ key }) => stateDict.get(key) as TensorView));
  const values = constantWeights(options);
  const tensors: [string, Float32Array][] = [];
  for (const { key, weight, oihw } of links) {
    const tensor = toFloat32(stateDict.get(key) as TensorView);
    tensors.push([key, tensor]);
    values.set(weight, oihw === undefined ? tensor : toHWIO(tensor, oihw));
  }
  const data = concatenateFloats(specs.map(({ name }) => values.get(name) as Float32Array));
  return { data, faults: findFaults(tensors) };
}

/** The weights that no state dict holds: `transform_input` and the adaptive pools. */
export function constantWeights({
  imageSize,
  auxClasses,
}: Pick<TrainableOptions, 'imageSize' | 'auxClasses'>): Map<string, Float32Array> {
  const constants = new Map<string, Float32Array>([
    ['transform_input/depthwise_kernel', Float32Array.from(TRANSFORM_INPUT.scale)],
    ['transform_input/bias', Float32Array.from(TRANSFORM_INPUT.offset)],
  ]);
  if (auxClasses === undefined) return constants;
  for (const { name, stage } of AUX_HEADS) {
    const pool = adaptivePool(featureMapSize(stage, imageSize), AUX.poolSize);
    constants.set(`${name}.avgpool/kernel`, pool);
  }
  return constants;
}

/**
 * nn.AdaptiveAvgPool2d as a matrix, `[size * size, target * target]`. Source: PyTorch,
 * aten/src/ATen/native/AdaptivePooling.h: from `floor(i * size / target)` to
 * `ceil((i + 1) * size / target)`.
 */
export function adaptivePool(size: number, target: number): Float32Array {
  const windows = Array.from({ length: target }, (_, i) => ({
    start: Math.floor((i * size) / target),
    end: Math.ceil(((i + 1) * size) / target),
  }));
  const matrix = new Float32Array(size ** 2 * target ** 2);
  for (const [i, rows] of windows.entries()) {
    for (const [j, columns] of windows.entries()) {
      const share = 1 / ((rows.end - rows.start) * (columns.end - columns.start));
      for (let y = rows.start; y < rows.end; y++) {
        for (let x = columns.start; x < columns.end; x++) {
          matrix[(y * size + x) * target ** 2 + i * target + j] = share;
        }
      }
    }
  }
  return matrix;
}

/** PyTorch's layout into TensorFlow's. */
export function toHWIO(source: Float32Array, [out, into, height, width]: OIHW): Float32Array {
  const area = height * width;
  const target = new Float32Array(source.length);
  for (let i = 0; i < into; i++) {
    for (let p = 0; p < area; p++) {
      for (let o = 0; o < out; o++) {
        target[(p * into + i) * out + o] = source[(o * into + i) * area + p] as number;
      }
    }
  }
  return target;
}

/** TensorFlow's layout into PyTorch's. */
export function toOIHW(source: Float32Array, [out, into, height, width]: OIHW): Float32Array {
  const area = height * width;
  const target = new Float32Array(source.length);
  for (let o = 0; o < out; o++) {
    for (let i = 0; i < into; i++) {
      for (let p = 0; p < area; p++) {
        target[(o * into + i) * area + p] = source[(p * into + i) * out + o] as number;
      }
    }
  }
  return target;
}
