import { expect } from 'vitest';
import type { Checkpoint } from '../../src/checkpoint/container/container.js';
import { crc32 } from '../../src/checkpoint/container/crc32.js';
import { writeArchive } from '../../src/checkpoint/container/write-archive.js';
import { writeLegacyStream } from '../../src/checkpoint/container/write-legacy.js';
import { OrderedDict } from '../../src/checkpoint/pickle/inert.js';
import type { PickleValue } from '../../src/checkpoint/pickle/pickle-value.js';
import type { Reducer } from '../../src/checkpoint/pickle/reduce.js';
import { orderedDict } from '../../src/checkpoint/save-state-dict.js';
import { stateDictMetadata } from '../../src/checkpoint/state-dict/metadata.js';
import { type StateDict, TensorView } from '../../src/checkpoint/tensor/tensor.js';
import { storedEntries } from './zip-writer.js';

/** Whether a value holds nothing but tensors under names: a state dict, a plain dict, or one tensor. */
export function holdsTensorsAlone(value: unknown): value is StateDict | TensorView {
  if (!(value instanceof Map)) return value instanceof TensorView;
  return [...value].every(([key, item]) => typeof key === 'string' && item instanceof TensorView);
}

/**
 * What was read, written again in the container that it came in. The storages of a legacy stream
 * keep their names, which are addresses of memory in PyTorch's.
 */
export function rewrite({ value, container }: Checkpoint): Uint8Array {
  if (!holdsTensorsAlone(value)) throw new Error('not a state dict');
  const build = (reducer: Reducer): PickleValue => {
    if (value instanceof TensorView) return reducer.tensor(value);
    if (value instanceof OrderedDict) {
      return orderedDict(value as StateDict, stateDictMetadata(value), reducer);
    }
    return new Map([...value].map(([key, view]) => [key, reducer.tensor(view)]));
  };
  if (container.format === 'zip') return writeArchive(build, crc32);
  return writeLegacyStream(build, (_, storage) => storage.key);
}

/** The records of a checkpoint itself, without those about the archive, which torch has added to. */
export function contents(zip: Uint8Array): Map<string, string> {
  const entries = storedEntries(zip).filter(({ name }) =>
    /\/(data\.pkl|data\/\d+|version)$/.test(name),
  );
  return new Map(entries.map(({ name, data }) => [name, Buffer.from(data).toString('latin1')]));
}

/** Equality in the time that 50 MB take; says where the first difference is. */
export function expectSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.from(actual).equals(expected)) return;
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  expect.fail(
    `${actual.length} bytes instead of ${expected.length}; they differ from byte ${at} on`,
  );
}
