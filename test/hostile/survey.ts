/** Reads a file to the last element, and looks whether that left anything behind. */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import { isPth2tfjsError } from '../../src/base/errors.js';
import { readCheckpoint } from '../../src/checkpoint/read-checkpoint.js';
import { findStateDicts, listTensors } from '../../src/checkpoint/state-dict/find-state-dict.js';
import { itemSize } from '../../src/checkpoint/tensor/dtype.js';
import { toFloat32 } from '../../src/checkpoint/tensor/float32.js';
import {
  contiguousBytes,
  MAX_TENSOR_BYTES,
  type TensorView,
} from '../../src/checkpoint/tensor/tensor.js';
import { NETWORK_KEYS } from '../../src/networks/match.js';

const MAX_MILLISECONDS = 5000;

/** The properties that everything inherits, with their values. */
function inherited(): unknown {
  const shared = [Object, Map, Set, Array, Function, Uint8Array, Error, String, Number, Promise];
  return shared.map(({ prototype }) =>
    Reflect.ownKeys(prototype).map((key) => {
      const property = Object.getOwnPropertyDescriptor(prototype, key);
      return [key, property?.value, property?.get, property?.set];
    }),
  );
}
const INHERITED = inherited();

beforeEach(() => {
  for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const) {
    vi.spyOn(console, method);
  }
});

afterEach(() => {
  for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const) {
    expect(console[method]).not.toHaveBeenCalled();
  }
  vi.restoreAllMocks();
  expect(inherited()).toEqual(INHERITED);
});

/** What a tensor holds, in one line; large expanded ones are not laid out. */
function describeTensor(view: TensorView): string {
  const shape = `${view.dtype}[${view.shape}]`;
  const bytes = view.numel * itemSize(view.dtype);
  if (bytes > 2 ** 22 && bytes <= MAX_TENSOR_BYTES) return shape;
  const hash = createHash('sha256').update(contiguousBytes(view));
  if (!view.dtype.startsWith('complex') && view.dtype !== 'float4_e2m1fn_x2') {
    hash.update(new Uint8Array(toFloat32(view).slice().buffer));
  }
  return `${shape} ${hash.digest('hex')}`;
}

export type Outcome =
  | { readonly code: string }
  | { readonly tensors: Readonly<Record<string, string>> };

/** Reads a file to the last element; everything but tagged errors comes through as it is. */
export async function survey(bytes: Uint8Array): Promise<Outcome> {
  const start = performance.now();
  try {
    const { value } = await readCheckpoint(bytes);
    findStateDicts(value, NETWORK_KEYS);
    const tensors = [...listTensors(value)].map(([key, view]) => [key, describeTensor(view)]);
    return { tensors: Object.fromEntries(tensors) };
  } catch (error) {
    if (isPth2tfjsError(error)) return { code: error.code };
    throw error;
  } finally {
    expect(performance.now() - start).toBeLessThan(MAX_MILLISECONDS);
  }
}
