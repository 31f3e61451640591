import type { Affine } from '../network/value.js';

/** How pixels become the network's input: those in [0, 1], less the mean, over the deviation, per channel. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** What the network does to its input first, which goes into the same multiplication and addition. */
  readonly affine?: Affine | undefined;
}

export interface Channels {
  readonly scale: readonly number[];
  readonly offset: readonly number[];
}

/** From pixels in 0 to 255 straight to the network's input: `x * scale + offset` per channel. */
export function pixelScale({ mean, std, affine }: Normalization): Channels {
  const channels = mean.map((middle, c) => {
    const deviation = std[c] as number;
    const [scale, offset] = [1 / (255 * deviation), -middle / deviation];
    if (affine === undefined) return { scale, offset };
    const [factor, shift] = [affine.scale[c] as number, affine.offset[c] as number];
    return { scale: scale * factor, offset: offset * factor + shift };
  });
  return {
    scale: channels.map(({ scale }) => scale),
    offset: channels.map(({ offset }) => offset),
  };
}
