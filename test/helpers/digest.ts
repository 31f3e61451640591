import { createHash } from 'node:crypto';
import { contiguousBytes, type TensorView } from '../../src/checkpoint/tensor/tensor.js';

/** What the recorded truth holds of a tensor. */
export interface TensorRecord {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** SHA-256 of the contiguous little-endian bytes. */
  readonly sha256: string;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The same of a tensor that our reader found. */
export function recordOf(tensor: TensorView): TensorRecord {
  return { dtype: tensor.dtype, shape: tensor.shape, sha256: sha256(contiguousBytes(tensor)) };
}

export function recordsOf(tensors: ReadonlyMap<string, TensorView>): Record<string, TensorRecord> {
  return Object.fromEntries([...tensors].map(([key, tensor]) => [key, recordOf(tensor)]));
}
