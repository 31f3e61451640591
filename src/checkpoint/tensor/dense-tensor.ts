import { HOST_IS_LITTLE_ENDIAN } from '../../base/bytes.js';
import { Pth2tfjsError } from '../../base/errors.js';
import { numel } from '../../numbers/shape.js';
import { type DType, itemSize } from './dtype.js';
import { TensorStorage, TensorView, validateView } from './tensor.js';

/**
 * A tensor of its own: elements in row-major order, in the byte order of this machine. It keeps a view
 * of `data`, which must not change later.
 * @param shape sizes, such as `[out, in, height, width]` of a convolution's kernel in PyTorch's order
 * @throws Pth2tfjsError `usage` when `data` holds another number of bytes than the shape takes.
 */
export function denseTensor(
  dtype: DType,
  shape: readonly number[],
  data: ArrayBufferView,
): TensorView {
  const count = numel(shape);
  if (data.byteLength !== count * itemSize(dtype)) {
    const wanted = `${count * itemSize(dtype)} bytes, not ${data.byteLength}`;
    throw new Pth2tfjsError('usage', `a ${dtype} tensor of shape [${shape}] takes ${wanted}`);
  }
  const storage = new TensorStorage('0', dtype, count);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  storage.attach(bytes, !HOST_IS_LITTLE_ENDIAN);
  return validateView(new TensorView(dtype, shape, rowMajorStrides(shape), 0, storage));
}

/** As PyTorch counts them: an empty dimension counts as one. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) {
    strides[i] = (strides[i + 1] as number) * Math.max(shape[i + 1] as number, 1);
  }
  return strides;
}
