import { Pth2tfjsError } from '../base/errors.js';

/**
 * What networks that were trained on ImageNet expect of their input. Source:
 * torchvision/transforms/_presets.py (ImageClassification).
 */

/** Per-channel mean and standard deviation of ImageNet, RGB, for pixels in [0, 1]. */
export const IMAGENET_MEAN = [0.485, 0.456, 0.406] as const;
export const IMAGENET_STD = [0.229, 0.224, 0.225] as const;

/** How far from a whole number float32's rounding may leave a pixel that was normalised. */
const MOST_ROUNDING = 1e-3;

/**
 * Undoes the normalisation of images that were 8-bit pixels.
 * @param normalized NHWC, channels innermost
 * @returns pixels from 0 to 255, in the same layout
 * @throws Pth2tfjsError `image` for values that no pixel gives
 */
export function toPixels(normalized: Float32Array): Int32Array {
  return Int32Array.from(normalized, (value, i) => {
    const pixel = pixelOf(value, i % 3);
    if (pixel !== undefined) return pixel;
    throw new Pth2tfjsError(
      'image',
      `the model takes pixels, and a value of ${value} in the input is no normalised pixel`,
      { hint: 'pass images of 8 bits a channel, normalised as torchvision does' },
    );
  });
}

/** The first value that no 8-bit pixel gives when it is normalised; images as for {@link toPixels}. */
export function findNonPixel(normalized: Float32Array): number | undefined {
  return normalized.find((value, i) => pixelOf(value, i % 3) === undefined);
}

function pixelOf(normalized: number, channel: number): number | undefined {
  const [mean, std] = [IMAGENET_MEAN[channel] as number, IMAGENET_STD[channel] as number];
  const pixel = (normalized * std + mean) * 255;
  const whole = Math.round(pixel);
  const close = Math.abs(pixel - whole) <= MOST_ROUNDING;
  return close && whole >= 0 && whole <= 255 ? whole : undefined;
}
