import { Pth2tfjsError } from '../../base/errors.js';
import { unpickle } from '../pickle/unpickle.js';
import { verifyPickle } from '../pickle/verify-pickle.js';
import type { TensorStorage } from '../tensor/tensor.js';
import { type Checkpoint, LEGACY_PROTOCOL } from './container.js';

/**
 * The legacy stream, which torch.save wrote before torch 1.6 and still writes with
 * `_use_new_zipfile_serialization=False`: five pickles (magic number, protocol, system info, the
 * object, the sorted storage keys), then for each key an int64 element count and the raw elements.
 * Source: torch/serialization.py, _legacy_save and _legacy_load.
 */

/**
 * Reads a legacy stream. The elements are little-endian whatever machine wrote them: torch's C++
 * storage writer swaps on big-endian hosts, and `little_endian` in the system info is not consulted.
 * @throws Pth2tfjsError `truncated`, `corrupt`, `unsupported`, `unsafe-global` or `limit`.
 */
export function readLegacy(bytes: Uint8Array): Checkpoint {
  const magic = verifyPickle(bytes);
  const protocol = unpickle(bytes, magic.end);
  if (protocol.value !== LEGACY_PROTOCOL) {
    throw new Pth2tfjsError(
      'unsupported',
      `a legacy stream of another protocol than ${LEGACY_PROTOCOL}, the only one that torch has written`,
      { offset: magic.end },
    );
  }
  const systemInfo = unpickle(bytes, protocol.end);
  const object = unpickle(bytes, systemInfo.end);
  const keys = unpickle(bytes, object.end);
  const names = storageKeys(keys.value, keys.end);
  const end = attachStorages(bytes, keys.end, names, object.storages);
  return {
    container: {
      format: 'legacy',
      gzip: false,
      version: String(LEGACY_PROTOCOL),
      pickleProtocol: object.protocol,
      byteOrder: 'little',
      byteLength: bytes.length,
    },
    value: object.value,
    metadata: new Map(),
    opaque: object.opaque,
    warnings:
      end < bytes.length
        ? [`${bytes.length - end} bytes follow the last storage, at byte ${end}, and were not read`]
        : [],
  };
}

function storageKeys(value: unknown, offset: number): string[] {
  const valid = Array.isArray(value) && value.every((key) => typeof key === 'string');
  if (!valid || new Set(value).size !== value.length) {
    throw new Pth2tfjsError(
      'corrupt',
      `the storage keys before byte ${offset} are no list of distinct names`,
      { offset },
    );
  }
  return value;
}

function attachStorages(
  bytes: Uint8Array,
  start: number,
  keys: readonly string[],
  storages: readonly TensorStorage[],
): number {
  const byKey = groupByKey(storages);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = start;
  for (const key of keys) {
    const users = byKey.get(key) ?? [];
    const bodyLength = storageLength(view, at, key, users);
    at += 8;
    if (bodyLength > bytes.length - at) throw truncated(key, at, bodyLength, bytes.length - at);
    for (const storage of users) storage.attach(bytes.subarray(at, at + bodyLength), false);
    byKey.delete(key);
    at += bodyLength;
  }
  const [missing] = byKey.keys();
  if (missing !== undefined) {
    throw new Pth2tfjsError('corrupt', `the storage '${missing}' of a tensor is not in the file`);
  }
  return at;
}

function groupByKey(storages: readonly TensorStorage[]): Map<string, TensorStorage[]> {
  const groups = new Map<string, TensorStorage[]>();
  for (const storage of storages) {
    const group = groups.get(storage.key);
    if (group === undefined) groups.set(storage.key, [storage]);
    else group.push(storage);
  }
  return groups;
}

/** Bytes of the storage whose header lies at `at`; the header must agree with the pickle. */
function storageLength(
  view: DataView,
  at: number,
  key: string,
  users: readonly TensorStorage[],
): number {
  if (at + 8 > view.byteLength) throw truncated(key, at, 8, view.byteLength - at);
  const count = view.getBigInt64(at, true);
  const [first] = users;
  if (first === undefined) {
    throw new Pth2tfjsError('corrupt', `no tensor uses the storage '${key}' at byte ${at}`, {
      offset: at,
    });
  }
  for (const { total, itemSize } of users) {
    if (BigInt(total) !== count || itemSize !== first.itemSize) {
      throw new Pth2tfjsError(
        'corrupt',
        `the storage '${key}' at byte ${at} has ${count} elements, the pickle claims ${total}`,
        { offset: at },
      );
    }
  }
  return first.total * first.itemSize;
}

function truncated(key: string, offset: number, needed: number, left: number): Pth2tfjsError {
  return new Pth2tfjsError(
    'truncated',
    `the file ends inside the storage '${key}' at byte ${offset}: ${needed} bytes expected, ${left} left`,
    { offset, hint: 'download the file again' },
  );
}
