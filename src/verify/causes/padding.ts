import type { Conv2d, Value, Window } from '../../network/value.js';
import { inputsOf, type LayerJSON } from '../../stored-model/editable-model.js';
import type { Laboratory } from '../laboratory.js';

/** A value of the graph that is a convolution. */
export type ConvValue = Value & { readonly op: Conv2d };

/** Strided convolutions with padding, where frameworks pad differently: most networks begin with one. */
export function paddedConvolutions(lab: Laboratory): ConvValue[] {
  return lab
    .graphFor(lab.golden.shape[2])
    .values.filter(
      (value): value is ConvValue =>
        value.op.type === 'conv2d' &&
        isStrided(value.op) &&
        value.op.padding.some((side) => side > 0),
    );
}

export function isStrided({ stride }: Window): boolean {
  return stride.some((step) => step > 1);
}

/** The layer that pads what a convolution reads; undefined where there is none. */
export function paddingOf(layers: readonly LayerJSON[], path: string): LayerJSON | undefined {
  const conv = layers.find(({ name }) => name === path);
  const [input] = conv === undefined ? [] : inputsOf(conv);
  return layers.find(({ name, class_name }) => name === input && class_name === 'ZeroPadding2D');
}
