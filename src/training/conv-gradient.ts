import {
  backend_util,
  type Conv2DBackpropFilterAttrs,
  type Conv2DBackpropFilterInputs,
  getKernel,
  type KernelFunc,
  matMul,
  pad,
  registerKernel,
  reshape,
  stack,
  stridedSlice,
  type Tensor4D,
  tidy,
} from '@tensorflow/tfjs-core';

/**
 * The one kernel that TensorFlow.js's wasm backend lacks to train a convolution: the gradient of its
 * weights, made of kernels that the backend has.
 */

const NAME = 'Conv2DBackpropFilter';

/** Gives the backend `wasm` the gradient of a convolution's weights, unless it has one by now. */
export function registerConvGradient(): void {
  if (getKernel(NAME, 'wasm') !== undefined) return;
  registerKernel({
    kernelName: NAME,
    backendName: 'wasm',
    kernelFunc: (({ inputs, attrs }) =>
      convGradient(
        inputs as unknown as Conv2DBackpropFilterInputs,
        attrs as unknown as Conv2DBackpropFilterAttrs,
      )) as KernelFunc,
  });
}

/**
 * For each tap of the kernel, the products of what it saw of the input and the gradient of the output,
 * summed over all positions: one matrix product.
 */
function convGradient(
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
      return matMul(reshape(seen, [-1, inChannels]), gradient, true);
    });
    return reshape(stack(taps), filterShape);
  });
}
