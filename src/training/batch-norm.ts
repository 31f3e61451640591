import { add, div, mul, sub, type Tensor, tidy } from '@tensorflow/tfjs-core';
import type { LayerVariable, layers } from '@tensorflow/tfjs-layers';
import { Pth2tfjsError } from '../base/errors.js';

/** What tfjs-layers' BatchNormalization has, but does not declare. */
type BatchNormalization = layers.Layer & {
  readonly momentum: number;
  readonly movingVariance: LayerVariable;
};

/**
 * Makes a BatchNormalization layer keep its running variance as nn.BatchNorm2d does: of the unbiased
 * variance of each batch, where TensorFlow.js takes the biased one that it normalises with.
 *
 * @param trained told of every batch that the layer is trained with
 */
export function followPyTorch(layer: layers.Layer, trained: () => void): void {
  const { movingVariance, momentum } = layer as BatchNormalization;
  const call = layer.call.bind(layer);
  layer.call = (inputs, kwargs) => {
    const { training } = kwargs as { readonly training?: boolean };
    if (training !== true) return call(inputs, kwargs);
    return tidy(() => {
      const [input] = [inputs].flat() as [Tensor];
      const samples = input.size / (input.shape.at(-1) as number);
      if (samples < 2) throw tooFew(layer.name, input.shape);
      const before = mul(movingVariance.read(), momentum);
      const output = call(inputs, kwargs);
      const after = movingVariance.read();
      const missing = div(sub(after, before), samples - 1);
      movingVariance.write(add(after, missing));
      trained();
      return output;
    });
  };
}

function tooFew(layer: string, shape: readonly number[]): Pth2tfjsError {
  return new Pth2tfjsError(
    'usage',
    `${layer} is to be trained with one value a channel, of the shape [${shape.join(', ')}], whose variance PyTorch refuses too`,
    { hint: 'train with more than one image at a time, or with larger images' },
  );
}
