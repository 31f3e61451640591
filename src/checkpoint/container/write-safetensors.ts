import { concatenate } from '../../base/bytes.js';
import { Pth2tfjsError } from '../../base/errors.js';
import { checkText } from '../pickle/text.js';
import type { DType } from '../tensor/dtype.js';
import {
  checkUnfolded,
  contiguousBytes,
  type StateDict,
  type TensorView,
} from '../tensor/tensor.js';
import { LENGTH_BYTES, METADATA, SAFETENSORS_DTYPES } from './read-safetensors.js';

const CODES: ReadonlyMap<DType, string> = new Map(
  [...SAFETENSORS_DTYPES].map(([code, dtype]) => [dtype, code]),
);
const ORDER = [...CODES.keys()];

/** Where the data starts is a multiple of this, so that any element is aligned. */
const ALIGNMENT = 8;

/**
 * Writes a state dict as a safetensors file, byte for byte as `safetensors.torch.save` 0.8 does: the
 * widest types first, then by name, the header padded with spaces. Views become tensors of their own.
 * @param metadata text to keep under `__metadata__`, in this order
 * @throws Pth2tfjsError `usage` for a key that no text in UTF-8 can be, or that has a meaning in the
 *   format; `unsupported` for a type that safetensors lacks; as {@link contiguousBytes} and
 *   {@link checkUnfolded} do
 */
export function saveSafetensors(
  stateDict: StateDict,
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array<ArrayBuffer> {
  const sorted = [...stateDict].map(named).sort(byTypeThenName);
  checkUnfolded(stateDict.values());
  const parts = sorted.map(({ tensor }) => contiguousBytes(tensor));
  let at = 0;
  const entries = sorted.map(({ name, code, tensor: { shape } }, i) => {
    const start = at;
    at += (parts[i] as Uint8Array).length;
    return [name, JSON.stringify({ dtype: code, shape, data_offsets: [start, at] })] as const;
  });
  const texts = [...metadata].map(
    ([key, text]) => [checkText(key), JSON.stringify(checkText(text))] as const,
  );
  const kept = metadata.size === 0 ? [] : [[METADATA, encodeObject(texts)] as const];
  return concatenate([...encodeHeader(encodeObject([...kept, ...entries])), ...parts]);
}

interface NamedTensor {
  readonly name: string;
  /** The type, as safetensors calls it. */
  readonly code: string;
  readonly tensor: TensorView;
}

function named([name, tensor]: [string, TensorView]): NamedTensor {
  if (checkText(name) === METADATA) {
    throw new Pth2tfjsError('usage', `cannot save the key ${METADATA}: safetensors reserves it`);
  }
  const code = CODES.get(tensor.dtype);
  if (code !== undefined) return { name, code, tensor };
  throw new Pth2tfjsError('unsupported', `${name} is ${tensor.dtype}, which safetensors lacks`, {
    hint: 'convert it to another type before saving',
  });
}

function byTypeThenName(a: NamedTensor, b: NamedTensor): number {
  const type = ORDER.indexOf(a.tensor.dtype) - ORDER.indexOf(b.tensor.dtype);
  return type !== 0 ? type : compareText(a.name, b.name);
}

/** By code points, which is also the order of the bytes in UTF-8. */
function compareText(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  const at = left.findIndex((character, i) => character !== right[i]);
  if (at < 0) return left.length - right.length;
  return (left[at]?.codePointAt(0) ?? -1) - (right[at]?.codePointAt(0) ?? -1);
}

/** From JSON values. An object of JavaScript would order names that look like numbers otherwise. */
function encodeObject(entries: readonly (readonly [key: string, json: string])[]): string {
  return `{${entries.map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(',')}}`;
}

function encodeHeader(json: string): Uint8Array[] {
  const header = new TextEncoder().encode(json);
  const padding = new Uint8Array(-header.length & (ALIGNMENT - 1)).fill(0x20);
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setBigUint64(0, BigInt(header.length + padding.length), true);
  return [length, header, padding];
}
