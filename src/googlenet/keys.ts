import type { DType } from '../checkpoint/dtype.js';
import {
  AUX,
  AUX_HEADS,
  type AuxHead,
  auxConv,
  type Branch3Kernel,
  type ConvBlock,
  convBlocks,
  FEATURES,
} from './architecture.js';
import type { TreeOptions } from './module-tree.js';

/** The keys of torchvision's state dict, from the table of the network. */

/** A dimension that the checkpoint may choose. */
export type Shape = readonly (number | 'classes')[];

/** An expected key; optional ones may be absent, ignored ones are not used for inference. */
export interface Expected {
  readonly shape: Shape;
  readonly optional?: boolean;
  readonly ignored?: boolean;
}

/** Keys of one BasicConv2d. `num_batches_tracked` is younger than torch 0.4 and only counts steps. */
function convKeys({ name, inChannels, outChannels, kernel }: ConvBlock): [string, Expected][] {
  const perChannel = ['weight', 'bias', 'running_mean', 'running_var'].map(
    (field): [string, Expected] => [`${name}.bn.${field}`, { shape: [outChannels] }],
  );
  return [
    [`${name}.conv.weight`, { shape: [outChannels, inChannels, kernel, kernel] }],
    ...perChannel,
    [`${name}.bn.num_batches_tracked`, { shape: [], optional: true, ignored: true }],
  ];
}

function linearKeys(name: string, out: number | 'classes', features: number): [string, Expected][] {
  return [
    [`${name}.weight`, { shape: [out, features] }],
    [`${name}.bias`, { shape: [out] }],
  ];
}

function auxKeys(head: AuxHead): [string, Expected][] {
  const features = AUX.convChannels * AUX.poolSize ** 2;
  const keys = [
    ...convKeys(auxConv(head)),
    ...linearKeys(`${head.name}.fc1`, AUX.hidden, features),
    ...linearKeys(`${head.name}.fc2`, 'classes', AUX.hidden),
  ];
  return keys.map(([key, expected]) => [key, { ...expected, ignored: true }]);
}

/** Every key of torchvision's state dict with its shape, in torchvision's order. */
export function expectedKeys(
  branch3Kernel: Branch3Kernel,
  auxLogits: boolean,
): Map<string, Expected> {
  return new Map([
    ...convBlocks(branch3Kernel).flatMap(convKeys),
    ...(auxLogits ? AUX_HEADS.flatMap(auxKeys) : []),
    ...linearKeys('fc', 'classes', FEATURES),
  ]);
}

/** What a tensor of the state dict has to be. */
export interface TensorSpec {
  readonly dtype: DType;
  /** Of kernels: out, in, height, width. */
  readonly shape: readonly number[];
}

/** Every entry of torchvision's `googlenet().state_dict()`, in its order. */
export function stateDictLayout({
  branch3Kernel,
  numClasses,
  auxClasses,
}: TreeOptions): Map<string, TensorSpec> {
  const classes = (key: string) => {
    const head = AUX_HEADS.findIndex(({ name }) => key.startsWith(`${name}.`));
    return auxClasses?.[head] ?? numClasses;
  };
  const expected = expectedKeys(branch3Kernel, auxClasses !== undefined);
  const entries = [...expected].map(([key, { shape }]): [string, TensorSpec] => {
    const dtype = key.endsWith('.num_batches_tracked') ? 'int64' : 'float32';
    return [key, { dtype, shape: shape.map((size) => (size === 'classes' ? classes(key) : size)) }];
  });
  return new Map(entries);
}
