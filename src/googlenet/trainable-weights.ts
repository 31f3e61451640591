import { toFloat32 } from '../checkpoint/float32.js';
import type { StateDict, TensorView } from '../checkpoint/tensor.js';
import {
  AUX,
  AUX_HEADS,
  auxConv,
  type ConvBlock,
  convBlocks,
  FEATURES,
  featureMapSize,
} from './architecture.js';
import type { WeightSpec } from './layer-graph.js';
import { TRANSFORM_INPUT } from './preprocess.js';
import type { TrainableOptions } from './trainable.js';

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
  /** Kernels and linear weights as OIHW, which TensorFlow has as HWIO; absent for vectors. */
  readonly oihw?: OIHW;
}

type OIHW = readonly [out: number, into: number, height: number, width: number];

/** What decides which tensors there are, and their shapes. */
export type LinkOptions = Pick<TrainableOptions, 'numClasses' | 'branch3Kernel' | 'auxClasses'>;

/** Every float tensor of the state dict, in torchvision's order. */
export function weightLinks({ numClasses, branch3Kernel, auxClasses }: LinkOptions): WeightLink[] {
  const heads = AUX_HEADS.flatMap((head, i) => {
    const classes = auxClasses?.[i];
    if (classes === undefined) return [];
    const { convChannels, poolSize, hidden } = AUX;
    // PyTorch flattens its 128 feature maps of 4x4 channels first, TensorFlow channels last.
    const flattened: OIHW = [hidden, convChannels, poolSize, poolSize];
    return [
      ...convLinks(auxConv(head)),
      ...linearLinks(`${head.name}.fc1`, flattened),
      ...linearLinks(`${head.name}.fc2`, [classes, hidden, 1, 1]),
    ];
  });
  return [
    ...convBlocks(branch3Kernel).flatMap(convLinks),
    ...heads,
    ...linearLinks('fc', [numClasses, FEATURES, 1, 1]),
  ];
}

/** BatchNorm's tensors, by their names in PyTorch and in Keras. */
const BATCH_NORM_FIELDS = [
  ['weight', 'gamma'],
  ['bias', 'beta'],
  ['running_mean', 'moving_mean'],
  ['running_var', 'moving_variance'],
] as const;

function convLinks({ name, inChannels, outChannels, kernel }: ConvBlock): WeightLink[] {
  const oihw: OIHW = [outChannels, inChannels, kernel, kernel];
  return [
    { key: `${name}.conv.weight`, weight: `${name}.conv/kernel`, shape: oihw, oihw },
    ...BATCH_NORM_FIELDS.map(([torch, keras]) => ({
      key: `${name}.bn.${torch}`,
      weight: `${name}.bn/${keras}`,
      shape: [outChannels],
    })),
  ];
}

function linearLinks(name: string, oihw: OIHW): WeightLink[] {
  const [out, into, height, width] = oihw;
  return [
    { key: `${name}.weight`, weight: `${name}/kernel`, shape: [out, into * height * width], oihw },
    { key: `${name}.bias`, weight: `${name}/bias`, shape: [out] },
  ];
}

/**
 * The weights of a state dict that has been matched, and those that are the same in every model.
 * @returns all weights in the order of the specs, without gaps
 */
export function computeTrainableWeights(
  stateDict: StateDict,
  specs: readonly WeightSpec[],
  options: TrainableOptions,
): Float32Array {
  const values = constantWeights(options);
  for (const { key, weight, oihw } of weightLinks(options)) {
    const tensor = toFloat32(stateDict.get(key) as TensorView);
    values.set(weight, oihw === undefined ? tensor : toHWIO(tensor, oihw));
  }
  const lengths = specs.map(({ shape }) => shape.reduce((product, size) => product * size, 1));
  const data = new Float32Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const [i, { name }] of specs.entries()) {
    data.set(values.get(name) as Float32Array, at);
    at += lengths[i] as number;
  }
  return data;
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
