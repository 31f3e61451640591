import { denseTensor } from '../checkpoint/tensor/dense-tensor.js';
import type { DType } from '../checkpoint/tensor/dtype.js';
import { toFloat32 } from '../checkpoint/tensor/float32.js';
import { fromFloat32 } from '../checkpoint/tensor/from-float32.js';
import { contiguousBytes, type StateDict, type TensorView } from '../checkpoint/tensor/tensor.js';
import { type OIHW, toOIHW } from '../numbers/layout.js';
import { stateDictEntries } from './keys.js';
import type { Module } from './module.js';
import type { StoredTensor } from './plan.js';

/** A plan read backwards: from what a model stores to the state dict. */

/** A tensor of the state dict and the weight that holds every number of it. */
export interface WeightLink {
  /** Such as `conv1.conv.weight`. */
  readonly key: string;
  /** Its name in the model, such as `conv1.conv/kernel`. */
  readonly weight: string;
  /** As PyTorch has it. */
  readonly shape: readonly number[];
  /** Of kernels and linear weights, which TensorFlow has as HWIO; absent for what stays as it is. */
  readonly oihw?: OIHW;
}

/** Every float tensor of the state dict that a model stores whole, in PyTorch's order. */
export function weightLinks(root: Module, tensors: readonly StoredTensor[]): WeightLink[] {
  const stored = new Map(
    tensors.flatMap(({ name, recipe }) =>
      recipe.type === 'copy' ? [[recipe.key, { name, recipe }] as const] : [],
    ),
  );
  return [...stateDictEntries(root)].flatMap(([key, { shape }]) => {
    const found = stored.get(key);
    if (found === undefined) return [];
    const { oihw } = found.recipe;
    return [{ key, weight: found.name, shape, ...(oihw === undefined ? {} : { oihw }) }];
  });
}

/** Batches that each BatchNorm was trained with, by its block; null for files of torch before 0.4.1. */
export type BatchesTracked = ReadonlyMap<string, number> | null;

/**
 * The state dict of a model that stores every tensor whole, as torchvision lays it out.
 * @param read a weight's values by its name in the model, such as `conv1.conv/kernel`
 * @param dtype what to store float tensors as
 */
export function toStateDict(
  root: Module,
  tensors: readonly StoredTensor[],
  read: (weight: string) => Float32Array,
  batches: BatchesTracked,
  dtype: DType = 'float32',
): StateDict {
  const links = new Map(weightLinks(root, tensors).map((link) => [link.key, link]));
  const stateDict = new Map<string, TensorView>();
  for (const [key, { shape, counter }] of stateDictEntries(root)) {
    const link = links.get(key);
    if (link !== undefined) {
      const values = read(link.weight);
      const data = link.oihw === undefined ? values : toOIHW(values, link.oihw);
      stateDict.set(key, denseTensor(dtype, shape, fromFloat32(data, dtype)));
    } else if (counter && batches !== null) {
      const count = batches.get(countedBlock(key)) ?? 0;
      stateDict.set(key, denseTensor('int64', shape, BigInt64Array.of(BigInt(count))));
    }
  }
  return stateDict;
}

const COUNTER = '.num_batches_tracked';

/** The block that a counter, or its BatchNorm, is named by: `conv1` for `conv1.bn.num_batches_tracked`. */
export function countedBlock(key: string): string {
  const path = key.endsWith(COUNTER) ? key.slice(0, -COUNTER.length) : key;
  return path.replace(/\.bn$/, '');
}

/** The counts of a state dict. */
export function batchesTracked(stateDict: StateDict): BatchesTracked {
  const keys = [...stateDict.keys()].filter((key) => key.endsWith(COUNTER));
  if (keys.length === 0) return null;
  return new Map(
    keys.map((key) => [countedBlock(key), readCount(stateDict.get(key) as TensorView)]),
  );
}

/** float32 would round counts beyond 2^24. */
function readCount(tensor: TensorView): number {
  if (tensor.dtype !== 'int64') return toFloat32(tensor)[0] as number;
  const { buffer, byteOffset } = contiguousBytes(tensor);
  return Number(new DataView(buffer, byteOffset).getBigInt64(0, true));
}
