/**
 * The element types that PyTorch stores, under their PyTorch names.
 * Source: torch.dtype in the PyTorch documentation (tensor attributes), and for the float8 types
 * the OCP "8-bit floating point specification" and the ml_dtypes package's notes on `fnuz`.
 */
const ITEM_SIZES = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float8_e4m3fn: 1,
  float8_e4m3fnuz: 1,
  float8_e5m2: 1,
  float8_e5m2fnuz: 1,
  float8_e8m0fnu: 1,
  float4_e2m1fn_x2: 1,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint64: 8,
  uint32: 4,
  uint16: 2,
  uint8: 1,
  bool: 1,
  complex128: 16,
  complex64: 8,
  complex32: 4,
  qint32: 4,
  qint8: 1,
  quint8: 1,
} as const;

/** A PyTorch element type, such as `'float32'`. */
export type DType = keyof typeof ITEM_SIZES;

export const DTYPES = Object.keys(ITEM_SIZES) as readonly DType[];

/** Bytes an element. */
export function itemSize(dtype: DType): number {
  return ITEM_SIZES[dtype];
}

/**
 * torch.FloatStorage and the like, named after C's types, not after the dtypes. Younger dtypes have
 * no storage class of their own: they lie in untyped storages.
 */
export const STORAGE_TYPES: Readonly<Record<string, DType>> = {
  DoubleStorage: 'float64',
  FloatStorage: 'float32',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
  ComplexDoubleStorage: 'complex128',
  ComplexFloatStorage: 'complex64',
  QInt32Storage: 'qint32',
  QInt8Storage: 'qint8',
  QUInt8Storage: 'quint8',
};
