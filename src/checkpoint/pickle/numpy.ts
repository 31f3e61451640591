import { Pth2tfjsError } from '../../base/errors.js';
import { numel } from '../../numbers/shape.js';
import type { DType } from '../tensor/dtype.js';
import { toFloat32 } from '../tensor/float32.js';
import { fromFloat32 } from '../tensor/from-float32.js';
import { TensorStorage, TensorView, validateView } from '../tensor/tensor.js';
import { DTypeConstant, OpaqueObject } from './inert.js';

/**
 * NumPy arrays in a pickle, in which PyTorch saves tensors of devices such as TPUs.
 * Sources: torch/_tensor.py (_reduce_ex_internal), torch/_utils.py
 * (_rebuild_device_tensor_from_numpy), numpy/core/src/multiarray/methods.c (array_setstate),
 * numpy/_core/numeric.py (_frombuffer).
 */

/** NumPy's type strings, without their byte order. */
const NUMPY_DTYPES: ReadonlyMap<string, DType> = new Map(
  Object.entries({
    f8: 'float64',
    f4: 'float32',
    f2: 'float16',
    i8: 'int64',
    i4: 'int32',
    i2: 'int16',
    i1: 'int8',
    u8: 'uint64',
    u4: 'uint32',
    u2: 'uint16',
    u1: 'uint8',
    b1: 'bool',
    c8: 'complex64',
    c16: 'complex128',
  } as const),
);

function corrupt(message: string): never {
  throw new Pth2tfjsError('corrupt', message);
}

/** `_codecs.encode(text, 'latin1')`, which is how pickle protocols below 3 write bytes. */
export function decodeLatin1(text: unknown): Uint8Array {
  if (typeof text !== 'string') return corrupt('bytes that are no text');
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) return corrupt(`bytes with the character ${code}, which is no byte`);
    bytes[i] = code;
  }
  return bytes;
}

/**
 * torch._utils._rebuild_device_tensor_from_numpy(array, dtype, device, requires_grad): the array in the
 * tensor's type, which differs where NumPy has none, as for bfloat16.
 */
export function rebuildFromNumpy([array, type]: readonly unknown[]): TensorView {
  const view = asNumpyTensor(array) ?? corrupt("a device's tensor without a NumPy array");
  const dtype = type instanceof DTypeConstant ? type.dtype : view.dtype;
  if (dtype === view.dtype) return view;
  if (!/^b?float/.test(view.dtype) || !/^b?float(16|32|64)$/.test(dtype)) {
    return corrupt(`a ${dtype} tensor in a NumPy array of ${view.dtype}`);
  }
  const words = fromFloat32(toFloat32(view), dtype);
  const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  return contiguous(bytes, dtype, view.shape, false);
}

/** What NumPy's two ways of pickling an array say of it. */
function asNumpyTensor(value: unknown): TensorView | undefined {
  if (!(value instanceof OpaqueObject)) return undefined;
  if (value.global.endsWith('.multiarray._reconstruct') && Array.isArray(value.state)) {
    const [, shape, dtype, fortran, bytes] = value.state;
    return numpyTensor(bytes, dtype, shape, fortran === true);
  }
  if (!value.global.endsWith('.numeric._frombuffer')) return undefined;
  const [bytes, dtype, shape, order] = value.args;
  return numpyTensor(bytes, dtype, shape, order === 'F');
}

function numpyTensor(bytes: unknown, dtype: unknown, shape: unknown, fortran: boolean): TensorView {
  const sizes = Array.isArray(shape) && shape.every((size) => typeof size === 'number');
  if (!sizes) return corrupt("a NumPy array's shape is no tuple of integers");
  const { type, bigEndian } = numpyDtype(dtype);
  const elements = isEmptyBytes(bytes) ? new Uint8Array(0) : bytes;
  if (!(elements instanceof Uint8Array)) return corrupt('a NumPy array without its bytes');
  const plain = contiguous(elements, type, fortran ? shape.toReversed() : shape, bigEndian);
  if (!fortran) return plain;
  const [sizesBack, stridesBack] = [plain.shape.toReversed(), plain.strides.toReversed()];
  return validateView(new TensorView(type, sizesBack, stridesBack, 0, plain.storage));
}

/** `bytes()`, which is how pickle protocols below 3 write no bytes at all. */
function isEmptyBytes(value: unknown): boolean {
  return (
    value instanceof OpaqueObject &&
    /builtin(s|__)\.bytes$/.test(value.global) &&
    value.args.length === 0
  );
}

/** `numpy.dtype('f4', False, True)`, and the byte order in its state. */
function numpyDtype(value: unknown): { type: DType; bigEndian: boolean } {
  const name = value instanceof OpaqueObject && value.global === 'numpy.dtype' && value.args[0];
  const type = typeof name === 'string' ? NUMPY_DTYPES.get(name.replace(/^[<>=|]/, '')) : undefined;
  if (type === undefined) return corrupt('a NumPy array of a type that no tensor has');
  const state = (value as OpaqueObject).state;
  return { type, bigEndian: Array.isArray(state) && state[1] === '>' };
}

function contiguous(
  bytes: Uint8Array,
  dtype: DType,
  shape: readonly number[],
  bigEndian: boolean,
): TensorView {
  const strides = shape.map((_, i) => numel(shape.slice(i + 1)));
  const count = numel(shape);
  if (!Number.isSafeInteger(count) || count < 0)
    return corrupt(`a NumPy array of shape [${shape}]`);
  const storage = new TensorStorage('of a NumPy array', dtype, count);
  storage.attach(bytes, bigEndian);
  return validateView(new TensorView(dtype, [...shape], strides, 0, storage));
}
