import { Pth2tfjsError } from '../../base/errors.js';
import type { DType } from '../tensor/dtype.js';
import { TensorStorage } from '../tensor/tensor.js';
import { SAVE_AGAIN } from './danger.js';
import { OpaqueGlobal, StorageType } from './inert.js';

/** torch.save's own keys are counters or memory addresses. */
const MAX_KEY_LENGTH = 256;

/** What a persistent id says of a storage. */
interface StorageId {
  readonly key: string;
  readonly dtype: DType | undefined;
  readonly numel: number;
  /** A part of the storage under a key of its own, in files older than torch 0.4. */
  readonly view?: { readonly key: string; readonly base: number; readonly numel: number };
}

function corrupt(message: string): never {
  throw new Pth2tfjsError('corrupt', message);
}

/** The storages that a pickle's persistent ids name, views among them, under one set of keys. */
export class StorageTable {
  private readonly storages = new Map<
    string,
    { readonly storage: TensorStorage; readonly id: string }
  >();

  get all(): readonly TensorStorage[] {
    return [...this.storages.values()].map(({ storage }) => storage);
  }

  /**
   * The storage that a persistent id names.
   * @throws Pth2tfjsError `corrupt` for an id that torch.save does not write, and for a key that
   *   names two things: PyTorch would use the first for both.
   */
  resolve(persistentId: unknown): TensorStorage {
    const { key, dtype, numel, view } = parseId(persistentId);
    const root = this.add(key, dtype, numel, 0, numel);
    if (view === undefined) return root;
    return this.add(view.key, dtype, numel, view.base, view.numel, key);
  }

  private add(
    name: string,
    dtype: DType | undefined,
    total: number,
    base: number,
    numel: number,
    key = name,
  ): TensorStorage {
    const id = [key, dtype, total, base, numel].join();
    const known = this.storages.get(name);
    if (known !== undefined && known.id !== id)
      corrupt(`storage '${name}' is described in two ways`);
    if (known !== undefined) return known.storage;
    const storage = new TensorStorage(key, dtype, total, base, numel);
    this.storages.set(name, { storage, id });
    return storage;
  }
}

/**
 * `('storage', type, key, location, numel)`, and in legacy files a sixth field: None, or the view
 * `(key, offset, numel)`. Source: torch/serialization.py, persistent_id.
 */
function parseId(persistentId: unknown): StorageId {
  const [tag, type, key, , numel, view] = Array.isArray(persistentId) ? persistentId : [];
  if (tag === 'storage' && type instanceof OpaqueGlobal) {
    throw new Pth2tfjsError('unsupported', `a storage of the unknown class ${type.global}`, {
      hint: SAVE_AGAIN,
    });
  }
  if (tag !== 'storage' || !(type instanceof StorageType) || !isKey(key)) {
    return corrupt('a persistent id that torch.save does not write');
  }
  const id = { key, dtype: type.dtype, numel: elements(key, numel) };
  if (!Array.isArray(view)) return id;
  const [viewKey, base, length] = view as unknown[];
  if (!isKey(viewKey)) return corrupt('a persistent id that torch.save does not write');
  return { ...id, view: { key: viewKey, base: elements(key, base), numel: elements(key, length) } };
}

function isKey(key: unknown): key is string {
  return typeof key === 'string' && key.length <= MAX_KEY_LENGTH;
}

function elements(key: string, count: unknown): number {
  if (typeof count === 'number' && Number.isSafeInteger(count) && count >= 0) return count;
  return corrupt(
    `storage '${key}' claims ${typeof count === 'number' ? count : `a ${typeof count} of`} elements`,
  );
}
