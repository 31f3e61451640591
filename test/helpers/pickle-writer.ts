import { concatenate } from './zip-writer.js';

/**
 * Pickles by hand, opcode by opcode: those that PyTorch would never write. Each function returns the
 * bytes that leave one value on the stack, unless it says otherwise.
 */

export type Part = Uint8Array | string | number;

/** Bytes as they are: text is Latin-1, a number one byte. */
export function raw(...parts: readonly Part[]): Uint8Array {
  const bytes = (part: Part) => {
    if (typeof part === 'number') return Uint8Array.of(part);
    return typeof part === 'string' ? new Uint8Array(Buffer.from(part, 'latin1')) : part;
  };
  return concatenate(...parts.map(bytes));
}

function uint32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

export const proto = (version: number) => raw(0x80, version);
export const pickle = (...parts: readonly Part[]) => raw(proto(2), ...parts, '.');
export const int = (value: number) => raw('J', uint32(value));
export const float = (value: number) => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return raw('G', bytes);
};
export const text = (value: string | Uint8Array) => {
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  return raw('X', uint32(bytes.length), bytes);
};
export const global = (module: string, name: string) => raw(`c${module}\n${name}\n`);
export const tuple = (...items: readonly Part[]) => raw('(', ...items, 't');
export const list = (...items: readonly Part[]) => raw('](', ...items, 'e');
export const dict = (...items: readonly Part[]) => raw('}(', ...items, 'u');
export const ints = (...values: readonly number[]) => tuple(...values.map(int));
/** Names the value on top of the stack, which stays there. */
export const put = (index: number) => raw('r', uint32(index));
export const get = (index: number) => raw('j', uint32(index));
export const call = (callable: Uint8Array, ...args: readonly Part[]) =>
  raw(callable, tuple(...args), 'R');
export const orderedDict = () => call(global('collections', 'OrderedDict'));

export interface StorageOptions {
  readonly key?: Uint8Array;
  readonly type?: string;
  readonly numel?: number;
  /** The sixth field of a legacy file's. */
  readonly view?: Part;
}

/** The persistent id of a storage, as a tuple. */
export function storageId(options: StorageOptions = {}): Uint8Array {
  const { key = text('0'), type = 'FloatStorage', numel = 4, view = '' } = options;
  return tuple(text('storage'), global('torch', type), key, text('cpu'), int(numel), view);
}

export const storage = (options: StorageOptions = {}) => raw(storageId(options), 'Q');

export interface TensorOptions {
  readonly storage?: Uint8Array;
  readonly offset?: number;
  readonly size?: Uint8Array;
  readonly stride?: Uint8Array;
  /** What follows the six usual arguments. */
  readonly more?: Part;
}

/** The arguments of torch._utils._rebuild_tensor_v2, as a tuple: by default [1, 2, 3, 4]. */
export function tensorArguments(options: TensorOptions = {}): Uint8Array {
  const { offset = 0, size = ints(4), stride = ints(1), more = '' } = options;
  const elements = options.storage ?? storage();
  return tuple(elements, int(offset), size, stride, 0x89, orderedDict(), more);
}

export const REBUILD = global('torch._utils', '_rebuild_tensor_v2');

export const tensor = (options: TensorOptions = {}) => raw(REBUILD, tensorArguments(options), 'R');

/** The elements that the storages of these pickles mean. */
export const ELEMENTS = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
export const OTHER_ELEMENTS = new Uint8Array(Float32Array.of(9, 8, 7, 6).buffer);

const MAGIC = raw(0x80, 2, 0x8a, 10, 'l\xfc\x9cF\xf9 j\xa8P\x19.');

export interface LegacyOptions {
  readonly protocol?: Uint8Array;
  readonly systemInfo?: Uint8Array;
  readonly keys?: Uint8Array;
  readonly storages?: readonly Uint8Array[];
}

/** A legacy stream around the object's pickle; each storage is float32 unless told otherwise. */
export function legacyFile(object: Uint8Array, options: LegacyOptions = {}): Uint8Array {
  const { protocol = pickle('M', 0xe9, 3), systemInfo = pickle('}'), storages = [] } = options;
  const names = storages.map((_, i) => text(String(i)));
  const counted = storages.map((data) =>
    raw(new Uint8Array(BigInt64Array.of(BigInt(data.length / 4)).buffer), data),
  );
  const keys = options.keys ?? pickle(list(...names));
  return raw(MAGIC, protocol, systemInfo, object, keys, ...counted);
}
