import {
  backend_util,
  type Conv2DBackpropFilterAttrs,
  type Conv2DBackpropFilterInputs,
  type Conv2DBackpropInputAttrs,
  type Conv2DBackpropInputInputs,
  concat2d,
  conv2d,
  getKernel,
  type KernelFunc,
  matMul,
  pad,
  registerKernel,
  reshape,
  slice2d,
  stack,
  stridedSlice,
  type Tensor2D,
  type Tensor4D,
  tidy,
  transpose,
  unregisterKernel,
} from '@tensorflow/tfjs-core';

/**
 * The gradients of a convolution on TensorFlow.js's wasm backend, made of kernels that it has: that of the
 * weights it lacks, that of the input it computes several times slower than convolutions.
 */

/** Gives the backend `wasm` both, unless they are there by now. */
export function registerConvGradients(): void {
  const filter = getKernel('Conv2DBackpropFilter', 'wasm');
  const input = getKernel('Conv2DBackpropInput', 'wasm');
  if (filter !== undefined || input === undefined) return;
  registerKernel({
    kernelName: 'Conv2DBackpropFilter',
    backendName: 'wasm',
    kernelFunc: (({ inputs, attrs }) =>
      filterGradient(inputs as never, attrs as never)) as KernelFunc,
  });
  unregisterKernel('Conv2DBackpropInput', 'wasm');
  registerKernel({
    ...input,
    kernelFunc: (args) =>
      inputGradient(args.inputs as never, args.attrs as never) ?? input.kernelFunc(args),
  });
}

/**
 * With stride 1, the gradient of the input is a convolution, too: of the output's gradient, with the kernel
 * mirrored and its channels exchanged.
 * @returns undefined for other strides
 */
function inputGradient(
  inputs: Conv2DBackpropInputInputs,
  { strides, pad: padding, dimRoundingMode, inputShape }: Conv2DBackpropInputAttrs,
): Tensor4D | undefined {
  const [dy, filter] = [inputs.dy as Tensor4D, inputs.filter as Tensor4D];
  const conv = backend_util.computeConv2DInfo(
    inputShape,
    filter.shape,
    strides,
    1,
    padding,
    dimRoundingMode,
  );
  const { padInfo, filterHeight, filterWidth, strideHeight, strideWidth } = conv;
  if (strideHeight !== 1 || strideWidth !== 1) return undefined;
  const { top, bottom, left, right } = padInfo;
  return tidy(() => {
    const mirrored = transpose(reverseTaps(filter), [0, 1, 3, 2]);
    return conv2d(dy, mirrored, 1, [
      [0, 0],
      [filterHeight - 1 - top, filterHeight - 1 - bottom],
      [filterWidth - 1 - left, filterWidth - 1 - right],
      [0, 0],
    ]);
  });
}

/** Height and width backwards, tap by tap: the backend's own reversal goes number by number. */
function reverseTaps(filter: Tensor4D): Tensor4D {
  const taps = filter.shape[0] * filter.shape[1];
  if (taps === 1) return filter;
  const flat = reshape(filter, [taps, -1]) as Tensor2D;
  const rows = Array.from({ length: taps }, (_, i) => slice2d(flat, [taps - 1 - i, 0], [1, -1]));
  return reshape(concat2d(rows, 0), filter.shape);
}

/**
 * For each tap of the kernel, the products of what it saw of the input and the gradient of the output,
 * summed over all positions: one matrix product.
 */
function filterGradient(
  inputs: Conv2DBackpropFilterInputs,
  { strides, pad: padding, dimRoundingMode, filterShape }: Conv2DBackpropFilterAttrs,
): Tensor4D {
  const [x, dy] = [inputs.x as Tensor4D, inputs.dy as Tensor4D];
  const conv = backend_util.computeConv2DInfo(
    x.shape,
    filterShape,
    strides,
    1,
    padding,
    dimRoundingMode,
  );
  const { padInfo, filterHeight, filterWidth, strideHeight, strideWidth, inChannels } = conv;
  const { top, bottom, left, right } = padInfo;
  return tidy(() => {
    const padded = pad(x, [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ]);
    const gradient = reshape(dy, [-1, conv.outChannels]);
    const taps = Array.from({ length: filterHeight * filterWidth }, (_, tap) => {
      const [row, column] = [Math.floor(tap / filterWidth), tap % filterWidth];
      const seen = stridedSlice(
        padded,
        [0, row, column, 0],
        [
          x.shape[0],
          row + (conv.outHeight - 1) * strideHeight + 1,
          column + (conv.outWidth - 1) * strideWidth + 1,
          inChannels,
        ],
        [1, strideHeight, strideWidth, 1],
      );
      // Transposed by itself, since the backend's fast product takes no transposed matrix.
      return matMul(transpose(reshape(seen, [-1, inChannels])), gradient);
    });
    return reshape(stack(taps), filterShape);
  });
}
