import { Pth2tfjsError } from '../../base/errors.js';
import { checkUnfoldedSize } from '../../base/limits.js';
import { numel } from '../../numbers/shape.js';
import { type DType, itemSize } from './dtype.js';

/**
 * A storage: the flat block of memory that one or more tensors look into.
 * `bytes` is empty until the container has handed it out; the pickle is read before the data.
 */
export class TensorStorage {
  /** The raw elements in the file's byte order. */
  bytes: Uint8Array = new Uint8Array(0);
  bigEndian = false;

  constructor(
    /** The storage's name in the container. */
    readonly key: string,
    /** Undefined for an untyped storage, whose elements are bytes. */
    readonly dtype: DType | undefined,
    /** Elements (bytes when untyped) of all that the container keeps under `key`, as the pickle claims. */
    readonly total: number,
    /** Where this storage starts in that, in elements; files older than torch 0.4 hold such views. */
    readonly base = 0,
    /** Length in elements. */
    readonly numel = total,
  ) {}

  get itemSize(): number {
    return this.dtype === undefined ? 1 : itemSize(this.dtype);
  }

  get byteLength(): number {
    return this.numel * this.itemSize;
  }

  /**
   * Hands over what the container keeps under `key`; the storage keeps a view, not a copy.
   * @throws Pth2tfjsError `corrupt` when that is shorter than the pickle claims.
   */
  attach(bytes: Uint8Array, bigEndian: boolean): void {
    const claimed = this.total * this.itemSize;
    const end = (this.base + this.numel) * this.itemSize;
    if (bytes.length < claimed || end > claimed) {
      throw new Pth2tfjsError(
        'corrupt',
        `storage '${this.key}' holds ${bytes.length} bytes, the pickle claims ${Math.max(claimed, end)}`,
      );
    }
    this.bytes = bytes.subarray(this.base * this.itemSize, end);
    this.bigEndian = bigEndian;
  }
}

/** How the integers of a quantized tensor stand for real numbers: `(q - zeroPoint) * scale`. */
export interface Quantizer {
  /** One number for all elements, or a 1-D tensor with one a channel. */
  readonly scale: number | TensorView;
  readonly zeroPoint: number | TensorView;
  /** The dimension whose indices are the channels. */
  readonly axis: number;
}

/** What PyTorch still has to do to a tensor's elements when they are read (torch.conj, Tensor.imag). */
export interface LazyBits {
  readonly conj: boolean;
  readonly neg: boolean;
}

/** A strided look at a storage. Shape, strides and offset count elements, as in PyTorch. */
export class TensorView {
  constructor(
    readonly dtype: DType,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
    readonly offset: number,
    readonly storage: TensorStorage,
    readonly quantizer?: Quantizer,
    readonly lazy?: LazyBits,
  ) {}

  /** The number of elements. */
  get numel(): number {
    return numel(this.shape);
  }
}

/** Tensors under the dotted names of their modules, in the order of the file. */
export type StateDict = ReadonlyMap<string, TensorView>;

/** The largest tensor that is laid out in memory, in bytes; an expanded one claims any size for free. */
export const MAX_TENSOR_BYTES = 2 ** 30;

/**
 * Checks, before any memory is taken, what all of these tensors take that are to be laid out.
 * @throws Pth2tfjsError `limit` as {@link checkUnfoldedSize} does
 */
export function checkUnfolded(tensors: Iterable<TensorView>): void {
  const storages = new Map<number, Set<TensorStorage>>();
  let unfolded = 0;
  for (const { dtype, numel, storage } of tensors) {
    const size = itemSize(dtype);
    unfolded += numel * widened(size);
    storages.set(size, (storages.get(size) ?? new Set()).add(storage));
  }
  const stored = [...storages].map(([size, each]) => (heldBytes(each) / size) * widened(size));
  checkUnfoldedSize(
    unfolded,
    stored.reduce((sum, bytes) => sum + bytes, 0),
  );
}

/** Bytes of an element once it is read: most are read as float32. */
const widened = (size: number) => Math.max(4, size);

/** What storages hold in all; files older than torch 0.4 may have many over the same bytes. */
function heldBytes(storages: Iterable<TensorStorage>): number {
  const buffers = new Map<ArrayBufferLike, [start: number, end: number][]>();
  for (const { bytes } of storages) {
    const spans = buffers.get(bytes.buffer) ?? [];
    spans.push([bytes.byteOffset, bytes.byteOffset + bytes.length]);
    buffers.set(bytes.buffer, spans);
  }
  return [...buffers.values()].reduce((sum, spans) => sum + covered(spans), 0);
}

function covered(spans: [start: number, end: number][]): number {
  let [total, reached] = [0, 0];
  for (const [start, end] of spans.sort(([a], [b]) => a - b)) {
    total += Math.max(0, end - Math.max(start, reached));
    reached = Math.max(reached, end);
  }
  return total;
}

const MAX_DIMENSIONS = 64;

/**
 * Checks all that a tensor claims about itself and its storage.
 * @throws Pth2tfjsError `corrupt` when the view reaches outside of its storage or makes no sense.
 */
export function validateView(view: TensorView): TensorView {
  const { shape, strides, offset, storage, dtype } = view;
  const fail = (why: string): never => {
    throw new Pth2tfjsError('corrupt', `the tensor in storage '${storage.key}' ${why}`);
  };
  if (shape.length > MAX_DIMENSIONS) fail(`has ${shape.length} dimensions`);
  if (shape.length !== strides.length) {
    fail(`has ${shape.length} sizes but ${strides.length} strides`);
  }
  for (const [what, list] of [
    ['size', shape],
    ['stride', strides],
    ['offset', [offset]],
  ] as const) {
    const bad = list.find((n) => !Number.isSafeInteger(n) || n < 0);
    if (bad !== undefined) fail(`has the ${what} ${String(bad)}, which is no valid ${what}`);
  }
  if (!Number.isSafeInteger(view.numel * itemSize(dtype))) fail(`claims the shape [${shape}]`);
  const last = shape.reduce((index, size, i) => index + (size - 1) * (strides[i] ?? 0), offset);
  const end = view.numel === 0 ? 0 : (last + 1) * itemSize(dtype);
  if (!(end <= storage.byteLength)) {
    fail(`reaches byte ${end}, but the storage holds ${storage.byteLength}`);
  }
  return view;
}

/** True when the elements lie one after the other in row-major order. */
function isContiguous({ shape, strides }: TensorView): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i] as number;
    if (size !== 1 && strides[i] !== expected) return false;
    expected *= size;
  }
  return true;
}

/**
 * The elements in row-major order, little-endian, as `tensor.contiguous()` would store them.
 * The result may share memory with the checkpoint; copy it before writing to it.
 * @throws Pth2tfjsError `limit` when an expanded tensor would take more than {@link MAX_TENSOR_BYTES}.
 */
export function contiguousBytes(view: TensorView): Uint8Array {
  const size = itemSize(view.dtype);
  const { storage } = view;
  if (view.numel * size > MAX_TENSOR_BYTES) {
    throw new Pth2tfjsError('limit', `a tensor of shape [${view.shape}] takes more than 1 GiB`);
  }
  if (view.numel === 0) return new Uint8Array(0);
  const packed = isContiguous(view)
    ? storage.bytes.subarray(view.offset * size, (view.offset + view.numel) * size)
    : gather(view, size);
  const ordered = toLittleEndian(packed, storage.bigEndian, view.dtype);
  return view.lazy === undefined ? ordered : resolveLazy(ordered, view.dtype, view.lazy);
}

/** Elements of a type in little-endian order; the same memory if they are in it already. */
export function toLittleEndian(bytes: Uint8Array, bigEndian: boolean, dtype: DType): Uint8Array {
  return bigEndian ? swapBytes(bytes, realSize(dtype)) : bytes;
}

/** Copies a strided view row by row; rows whose elements touch are copied whole. */
function gather({ shape, strides, offset, storage, numel }: TensorView, size: number): Uint8Array {
  const out = new Uint8Array(numel * size);
  const source = storage.bytes;
  const index = new Array<number>(shape.length).fill(0);
  const axis = shape.length - 1;
  const [columns = 1, stride = 0] = [shape[axis], strides[axis]];
  let row = offset;
  for (let written = 0; written < out.length; ) {
    for (let c = 0; c < columns; c++) {
      const from = (row + c * stride) * size;
      for (let b = 0; b < size; b++) out[written++] = source[from + b] as number;
    }
    for (let i = axis - 1; i >= 0; i--) {
      row += strides[i] as number;
      index[i] = (index[i] as number) + 1;
      if ((index[i] as number) < (shape[i] as number)) break;
      row -= (strides[i] as number) * (shape[i] as number);
      index[i] = 0;
    }
  }
  return out;
}

/** Complex numbers are two reals, each swapped for itself. */
function realSize(dtype: DType): number {
  return dtype.startsWith('complex') ? itemSize(dtype) / 2 : itemSize(dtype);
}

/** Flips the sign bits of the numbers that are to be negated. */
function resolveLazy(bytes: Uint8Array, dtype: DType, { conj, neg }: LazyBits): Uint8Array {
  const out = new Uint8Array(bytes);
  const size = realSize(dtype);
  const complex = dtype.startsWith('complex');
  for (let at = 0, i = 0; at < out.length; at += size, i++) {
    const imaginary = complex && i % 2 === 1;
    if (neg !== (imaginary && conj)) out[at + size - 1] = (out[at + size - 1] as number) ^ 0x80;
  }
  return out;
}

function swapBytes(bytes: Uint8Array, unit: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at += unit) {
    for (let b = 0; b < unit; b++) out[at + b] = bytes[at + unit - 1 - b] as number;
  }
  return out;
}
