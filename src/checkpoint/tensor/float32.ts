import { HOST_IS_LITTLE_ENDIAN } from '../../base/bytes.js';
import { Pth2tfjsError } from '../../base/errors.js';
import { fromHalf } from '../../numbers/half.js';
import { numel as sizeOf } from '../../numbers/shape.js';
import { type DType, itemSize } from './dtype.js';
import { contiguousBytes, MAX_TENSOR_BYTES, type Quantizer, type TensorView } from './tensor.js';

type Read = (view: DataView, at: number) => number;

/** A minifloat of eight bits: sign, `exponent` bits with a bias, `mantissa` bits; `special` names what is no number. */
interface Minifloat {
  readonly exponent: number;
  readonly mantissa: number;
  readonly bias: number;
  /** ieee: the top exponent holds inf and nan; fn: only all ones is nan; fnuz: only -0 is nan. */
  readonly special: 'ieee' | 'fn' | 'fnuz';
}

/** Every value of a format of eight bits, by its bit pattern. */
function decodeTable({ exponent, mantissa, bias, special }: Minifloat): Float32Array {
  const bits = 1 + exponent + mantissa;
  const top = 2 ** exponent - 1;
  const value = (code: number): number => {
    const sign = code >> (bits - 1) ? -1 : 1;
    const e = (code >> mantissa) & top;
    const m = code & (2 ** mantissa - 1);
    if (special === 'ieee' && e === top) return m === 0 ? sign * Infinity : NaN;
    if (special === 'fn' && e === top && m === 2 ** mantissa - 1) return NaN;
    if (special === 'fnuz' && code === 2 ** (bits - 1)) return NaN;
    const fraction = m / 2 ** mantissa;
    return sign * (e === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (e - bias));
  };
  // Not Float32Array.from, which keeps all numbers as objects first.
  const table = new Float32Array(2 ** bits);
  for (let code = 0; code < table.length; code++) table[code] = value(code);
  return table;
}

const MINIFLOATS: Partial<Record<DType, Minifloat>> = {
  float8_e5m2: { exponent: 5, mantissa: 2, bias: 15, special: 'ieee' },
  float8_e4m3fn: { exponent: 4, mantissa: 3, bias: 7, special: 'fn' },
  float8_e5m2fnuz: { exponent: 5, mantissa: 2, bias: 16, special: 'fnuz' },
  float8_e4m3fnuz: { exponent: 4, mantissa: 3, bias: 8, special: 'fnuz' },
};

const tables = new Map<DType, Float32Array>();

function tableFor(dtype: DType, format: Minifloat): Float32Array {
  const table = tables.get(dtype) ?? decodeTable(format);
  tables.set(dtype, table);
  return table;
}

/** Reads of one little-endian element, as a number that float32 then rounds once. */
const READERS: Partial<Record<DType, Read>> = {
  float64: (view, at) => view.getFloat64(at, true),
  float32: (view, at) => view.getFloat32(at, true),
  float16: (view, at) => fromHalf(view.getUint16(at, true)),
  int64: (view, at) => roundInteger(view.getBigInt64(at, true)),
  uint64: (view, at) => roundInteger(view.getBigUint64(at, true)),
  int32: (view, at) => view.getInt32(at, true),
  qint32: (view, at) => view.getInt32(at, true),
  uint32: (view, at) => view.getUint32(at, true),
  int16: (view, at) => view.getInt16(at, true),
  uint16: (view, at) => view.getUint16(at, true),
  int8: (view, at) => view.getInt8(at),
  qint8: (view, at) => view.getInt8(at),
  uint8: (view, at) => view.getUint8(at),
  quint8: (view, at) => view.getUint8(at),
  bool: (view, at) => (view.getUint8(at) === 0 ? 0 : 1),
  float8_e8m0fnu: (view, at) => (view.getUint8(at) === 255 ? NaN : 2 ** (view.getUint8(at) - 127)),
};

/**
 * A 64-bit integer as a double that rounds to the same float32 as the integer itself: beyond 2^53
 * a plain conversion would round twice. Setting a lost low bit keeps what lies below visible.
 */
function roundInteger(value: bigint): number {
  const magnitude = value < 0n ? -value : value;
  if (magnitude < 1n << 53n) return Number(value);
  const sticky = (magnitude & 0xffffn) === 0n ? 0n : 1n << 16n;
  const kept = Number(((magnitude >> 16n) << 16n) | sticky);
  return value < 0n ? -kept : kept;
}

/** Memory for one tensor after the other: what is read into it is gone with the next. */
export class ScratchRoom {
  private floats = new Float32Array(0);

  /** @param largest how many numbers any of them has; taken at once when the first needs some */
  constructor(private readonly largest: number) {}

  take(numel: number): Float32Array<ArrayBuffer> {
    if (numel > this.floats.length) this.floats = new Float32Array(Math.max(numel, this.largest));
    return this.floats.subarray(0, numel);
  }
}

/** Where numbers go that do not lie in the checkpoint as they are read. */
type Room = Pick<ScratchRoom, 'take'>;

const NEW_MEMORY: Room = { take: (numel) => new Float32Array(numel) };

/**
 * The elements in row-major order as float32, rounded to nearest even, as `tensor.float()` gives
 * them (`dequantize()` for quantized tensors). May share memory with the checkpoint.
 * @param room for those that do not, and are needed for a moment only
 * @throws Pth2tfjsError `unsupported` for complex tensors, which have no real value.
 */
export function toFloat32(view: TensorView, room: Room = NEW_MEMORY): Float32Array {
  if (view.numel * 4 > MAX_TENSOR_BYTES) {
    throw new Pth2tfjsError('limit', `a tensor of shape [${view.shape}] takes more than 1 GiB`);
  }
  const bytes = contiguousBytes(view);
  const { dtype, numel } = view;
  if (dtype === 'float32') return viewFloat32(bytes, numel, room);
  if (dtype === 'bfloat16') return widenBfloat16(bytes, room.take(numel));
  const minifloat = MINIFLOATS[dtype];
  if (minifloat !== undefined) return lookUp(bytes, tableFor(dtype, minifloat), room.take(numel));
  const read = READERS[dtype];
  if (read === undefined) {
    const complex = dtype.startsWith('complex');
    throw new Pth2tfjsError('unsupported', `a ${dtype} tensor has no float32 value`, {
      hint: complex ? 'save its real part' : 'unpack it before saving',
    });
  }
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = itemSize(dtype);
  const out = room.take(numel);
  for (let i = 0; i < numel; i++) out[i] = read(data, i * size);
  return view.quantizer === undefined ? out : dequantize(out, view.shape, view.quantizer);
}

function viewFloat32(bytes: Uint8Array, numel: number, room: Room): Float32Array {
  if (!HOST_IS_LITTLE_ENDIAN) {
    const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Float32Array.from({ length: numel }, (_, i) => data.getFloat32(i * 4, true));
  }
  if (bytes.byteOffset % 4 === 0) return new Float32Array(bytes.buffer, bytes.byteOffset, numel);
  const values = room.take(numel);
  new Uint8Array(values.buffer, values.byteOffset, bytes.length).set(bytes);
  return values;
}

/** bfloat16 is the upper half of a float32. A loop, since `Uint32Array.from` takes thirty times as long. */
function widenBfloat16(bytes: Uint8Array, values: Float32Array): Float32Array {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) bits[i] = data.getUint16(i * 2, true) << 16;
  return values;
}

function lookUp(bytes: Uint8Array, table: Float32Array, values: Float32Array): Float32Array {
  for (let i = 0; i < values.length; i++) values[i] = table[bytes[i] as number] as number;
  return values;
}

function dequantize(
  codes: Float32Array,
  shape: readonly number[],
  quantizer: Quantizer,
): Float32Array {
  const { scale, zeroPoint, axis } = quantizer;
  const inner = sizeOf(shape.slice(axis + 1));
  const channels = typeof scale === 'number' ? 1 : scale.numel;
  const scales = typeof scale === 'number' ? Float32Array.of(scale) : toFloat32(scale);
  const zeros = typeof zeroPoint === 'number' ? Float32Array.of(zeroPoint) : toFloat32(zeroPoint);
  return codes.map((code, i) => {
    const channel = Math.floor(i / inner) % channels;
    return (code - (zeros[channel] as number)) * (scales[channel] as number);
  });
}
