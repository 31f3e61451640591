import { findAffine, inferenceGraph, type ModelOptions, trainingGraph } from '../describe-model.js';
import { prune } from '../network/fold.js';
import { namedModules } from '../network/module.js';
import type { Affine, Conv2d, Value } from '../network/value.js';
import { NETWORK, type Variant } from '../networks/index.js';

const STANDARD: ModelOptions = {
  imageSize: NETWORK.imageSizes.standard,
  numClasses: 1,
  transformInput: false,
  ...NETWORK.variant(() => undefined),
};

/** A convolution with BatchNorm and ReLU, of square windows. */
export interface ConvBlock {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}

export function toBlock(op: Conv2d): ConvBlock {
  const { inChannels, outChannels, kernel, stride, padding } = op;
  return { inChannels, outChannels, kernel: kernel[0], stride: stride[0], padding: padding[0] };
}

/** What has a name in PyTorch: every value but the image and its reshaping. */
const UNNAMED: ReadonlySet<string> = new Set(['input', 'affine', 'flatten']);

/** The network's layers in forward order, BatchNorm and ReLU as parts of their convolutions. */
export function networkLayers(
  variant: Variant = NETWORK.variant(() => undefined),
): readonly Value[] {
  return inferenceGraph({ ...STANDARD, ...variant }).values.filter(
    ({ op }) => !UNNAMED.has(op.type),
  );
}

const LAYERS = networkLayers();

/** Its convolutions with BatchNorm, by their blocks' paths. */
export const CONVOLUTIONS: readonly string[] = LAYERS.flatMap(({ path, op }) =>
  op.type === 'conv2d' ? [path] : [],
);

/** The network as it is called in what is said of it. */
export const NAME: string = NETWORK.name;

const TYPES: ReadonlyMap<string, string> = new Map(
  [...namedModules(NETWORK.build({}))].map(([path, { type }]) => [path, type]),
);

/** torch's class of a module. */
export function typeOf(path: string): string {
  return TYPES.get(path) ?? '';
}

/** The convolution that sees the images, and the next one. */
export const [FIRST = '', SECOND = ''] = CONVOLUTIONS;

/** The layer that gives the logits. */
export const CLASSIFIER: string = LAYERS.findLast(({ op }) => op.type === 'linear')?.path ?? '';

const POOL = LAYERS.findLast(({ op }) => op.type === 'adaptiveAvgPool2d');

/** The average pool whose features the classifier takes, and the block that it pools. */
export const LAST_POOL: string = POOL?.path ?? '';
export const LAST_BLOCK: string = POOL?.from[0]?.path ?? '';

/** The convolutions that the average pool sees, whatever joins them. */
export const LAST_CONVOLUTIONS: ReadonlySet<string> = new Set(
  POOL === undefined ? [] : convolutionsBefore(POOL),
);

function convolutionsBefore({ from }: Value): string[] {
  return from.flatMap((each) =>
    each.op.type === 'conv2d' ? [each.path] : convolutionsBefore(each),
  );
}

/** The epsilon of the network's BatchNorms. */
export const BATCH_NORM_EPS: number =
  LAYERS.flatMap(({ op }) => (op.type === 'conv2d' && op.batchNorm ? [op.batchNorm.eps] : []))[0] ??
  0;

/** What transform_input does to an image. */
export const TRANSFORM_INPUT: Affine = findAffine(
  inferenceGraph({ ...STANDARD, transformInput: true }),
) as Affine;

/** The probability with which training zeroes a feature before the classifier. */
export const DROPOUT: number =
  prune(trainingGraph(STANDARD)).values.flatMap(({ op }) =>
    op.type === 'dropout' ? [op.p] : [],
  )[0] ?? 0;
