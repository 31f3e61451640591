import { Pth2tfjsError } from '../../base/errors.js';
import { type JSONValue, parseStrictJSON } from '../../base/strict-json.js';
import { rowMajorStrides } from '../tensor/dense-tensor.js';
import { type DType, itemSize } from '../tensor/dtype.js';
import { TensorStorage, TensorView, validateView } from '../tensor/tensor.js';
import type { Checkpoint } from './container.js';

/**
 * safetensors: the length of the header (uint64, little-endian), the header (a JSON object from names to
 * dtype, shape and place; text under `__metadata__`), and the elements of all tensors, without gaps.
 * Source: the format section of the safetensors README, and `validate` in safetensors/src/tensor.rs.
 */

/** The types of safetensors that PyTorch has too, in the order in which the reference library writes. */
export const SAFETENSORS_DTYPES: ReadonlyMap<string, DType> = new Map([
  ['U64', 'uint64'],
  ['I64', 'int64'],
  ['F64', 'float64'],
  ['C64', 'complex64'],
  ['F32', 'float32'],
  ['U32', 'uint32'],
  ['I32', 'int32'],
  ['BF16', 'bfloat16'],
  ['F16', 'float16'],
  ['U16', 'uint16'],
  ['I16', 'int16'],
  ['F8_E5M2FNUZ', 'float8_e5m2fnuz'],
  ['F8_E4M3FNUZ', 'float8_e4m3fnuz'],
  ['F8_E8M0', 'float8_e8m0fnu'],
  ['F8_E4M3', 'float8_e4m3fn'],
  ['F8_E5M2', 'float8_e5m2'],
  ['I8', 'int8'],
  ['U8', 'uint8'],
  ['BOOL', 'bool'],
]);

/** Types of less than a byte, which no checkpoint of this network can hold. */
const PACKED_DTYPES = ['F4', 'F6_E2M3', 'F6_E3M2'];

export const METADATA = '__metadata__';

/** The header's length comes first. */
export const LENGTH_BYTES = 8;
/** The reference library's bound. */
const MAX_HEADER_BYTES = 100_000_000;
const MAX_UINT64 = 2n ** 64n - 1n;
const MAX_DIMENSIONS = 64;
const MAX_SHOWN = 80;

/** What the header says of one tensor; the numbers as they stand there. */
interface Entry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly bigint[];
  /** Within the data, which follows the header. */
  readonly start: bigint;
  readonly end: bigint;
}

/**
 * Reads what `sniffContainer` took for a safetensors file. Tensors keep views of `bytes`.
 * @throws Pth2tfjsError `truncated`, `corrupt`, `unsupported` for a type that PyTorch lacks, or `limit`
 */
export function readSafetensors(bytes: Uint8Array): Checkpoint {
  const [header, data] = split(bytes);
  const json = parseHeader(header);
  const metadata = readMetadata(json.get(METADATA));
  const entries = [...json].filter(([name]) => name !== METADATA).map(readEntry);
  validate(entries, data.length);
  return {
    container: {
      format: 'safetensors',
      gzip: false,
      version: null,
      pickleProtocol: null,
      byteOrder: 'little',
      byteLength: bytes.length,
    },
    value: new Map(entries.map((entry) => [entry.name, toView(entry, data)])),
    metadata,
    opaque: [],
    warnings: [],
  };
}

function corrupt(message: string): never {
  throw new Pth2tfjsError('corrupt', `the safetensors file ${message}`);
}

function truncated(needed: bigint, found: number, what: string): never {
  const text = `the safetensors file holds ${found} bytes of ${what}, where ${needed} are needed`;
  throw new Pth2tfjsError('truncated', text, { hint: 'download the file again' });
}

function split(bytes: Uint8Array): [header: Uint8Array, data: Uint8Array] {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) {
    const text = `the safetensors file claims a header of ${length} bytes; the bound is ${MAX_HEADER_BYTES}`;
    throw new Pth2tfjsError('limit', text);
  }
  const end = LENGTH_BYTES + Number(length);
  if (end > bytes.length) truncated(length, bytes.length - LENGTH_BYTES, 'its header');
  return [bytes.subarray(LENGTH_BYTES, end), bytes.subarray(end)];
}

function parseHeader(header: Uint8Array): ReadonlyMap<string, JSONValue> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
  } catch {
    return corrupt('has a header that is no UTF-8');
  }
  const json = parseStrictJSON(text);
  return json instanceof Map ? json : corrupt('has a header that is no JSON object');
}

function readMetadata(found: JSONValue | undefined): ReadonlyMap<string, string> {
  if (found === undefined) return new Map();
  const valid = found instanceof Map && [...found.values()].every((v) => typeof v === 'string');
  return valid ? (found as ReadonlyMap<string, string>) : corrupt('has metadata that is not text');
}

/** Fields that are not of the format are left aside, as the reference library does. */
function readEntry([name, found]: [string, JSONValue]): Entry {
  const info = found instanceof Map ? found : new Map<string, JSONValue>();
  const shape: unknown = info.get('shape');
  const offsets: unknown = info.get('data_offsets');
  const sound = isSizes(shape) && isSizes(offsets) && offsets.length === 2;
  if (!sound) return corrupt(`has no dtype, shape and data_offsets for '${shown(name)}'`);
  if (shape.length > MAX_DIMENSIONS) corrupt(`gives '${shown(name)}' ${shape.length} dimensions`);
  const [start, end] = offsets as [bigint, bigint];
  return { name, dtype: readDtype(name, info.get('dtype')), shape, start, end };
}

/** A name may be of any length. */
function shown(name: string): string {
  return name.length <= MAX_SHOWN ? name : `${name.slice(0, MAX_SHOWN)}…`;
}

function isSizes(value: unknown): value is readonly bigint[] {
  return Array.isArray(value) && value.every((size) => typeof size === 'bigint' && size >= 0n);
}

function readDtype(name: string, found: unknown): DType {
  const code = typeof found === 'string' ? found : '';
  const dtype = SAFETENSORS_DTYPES.get(code);
  if (dtype !== undefined) return dtype;
  if (!PACKED_DTYPES.includes(code)) {
    return corrupt(`gives '${shown(name)}' the dtype '${shown(code)}', which the format lacks`);
  }
  const text = `the tensor '${shown(name)}' is ${code}, of less than a byte`;
  throw new Pth2tfjsError('unsupported', text, { hint: 'unpack it before saving' });
}

/** All that must hold between the tensors and the data: each has its bytes, and all bytes a tensor. */
function validate(entries: readonly Entry[], dataLength: number): void {
  let at = 0n;
  for (const { name, dtype, shape, start, end } of [...entries].sort(byPlace)) {
    if (start !== at) {
      const what = start > at ? 'bytes before it belong to nothing' : 'it overlaps another tensor';
      corrupt(`has '${shown(name)}' at byte ${start} of the data instead of ${at}: ${what}`);
    }
    const needed = multiply(name, [...shape, BigInt(itemSize(dtype))]);
    if (end - start !== needed) {
      const type = `${dtype} [${shape.join(', ')}]`;
      corrupt(`gives '${shown(name)}' ${end - start} bytes; ${type} takes ${needed}`);
    }
    at = end;
  }
  if (at > dataLength) truncated(at, dataLength, 'data');
  if (at < dataLength) corrupt(`has ${BigInt(dataLength) - at} bytes after its last tensor`);
}

/** Of 64-bit numbers; one that overflows is no size, whatever it is multiplied with afterwards. */
function multiply(name: string, sizes: readonly bigint[]): bigint {
  return sizes.reduce((product, size) => {
    const next = product * size;
    return next <= MAX_UINT64
      ? next
      : corrupt(`gives '${shown(name)}' more bytes than there can be`);
  }, 1n);
}

function byPlace(a: Entry, b: Entry): number {
  return compare(a.start, b.start) || compare(a.end, b.end);
}

const compare = (a: bigint, b: bigint) => Number(a > b) - Number(a < b);

function toView({ name, dtype, shape, start, end }: Entry, data: Uint8Array): TensorView {
  const bytes = data.subarray(Number(start), Number(end));
  const storage = new TensorStorage(shown(name), dtype, bytes.length / itemSize(dtype));
  storage.attach(bytes, false);
  const sizes = shape.map(Number);
  return validateView(new TensorView(dtype, sizes, rowMajorStrides(sizes), 0, storage));
}

/** A flag in the metadata, where all is text; undefined for anything else. */
export function readFlag(text: string | undefined): boolean | undefined {
  return text === 'true' || text === 'false' ? text === 'true' : undefined;
}
