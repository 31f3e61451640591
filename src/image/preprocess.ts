import { Pth2tfjsError } from '../base/errors.js';
import { IMAGENET_MEAN, IMAGENET_STD } from './imagenet.js';
import { type PixelGrid, resample, type Span } from './resample.js';

/** Pixels as browsers and decoders give them: RGBA such as an `ImageData`, or RGB; row by row. */
export interface RawImage {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

export interface PreprocessOptions {
  /** Side of the model's square input; default 224. */
  readonly imageSize?: number | undefined;
}

/** torchvision's preset resizes the short side to 256 for a crop of 224; others in proportion. */
const RESIZE_PER_CROP = 256 / 224;

/**
 * Does to an image what torchvision's preset for GoogLeNet does to a PIL image, bit for bit: resize
 * the short side to 256 (bilinear, antialiased), crop the centre, scale to [0, 1], normalise.
 * A pure function, fit for a worker.
 *
 * @returns float32 NHWC without the batch, `[imageSize, imageSize, 3]`, as the model takes it
 * @throws Pth2tfjsError `image` when width, height and data do not fit together
 */
export function preprocess(image: RawImage, options: PreprocessOptions = {}): Float32Array {
  const pixels = resizeAndCrop(image, options);
  const out = new Float32Array(pixels.length);
  for (const [channel, mean] of IMAGENET_MEAN.entries()) {
    const table = normalizeTable(Math.fround(mean), Math.fround(IMAGENET_STD[channel] as number));
    for (let i = channel; i < pixels.length; i += 3) out[i] = table[pixels[i] as number] as number;
  }
  return out;
}

/**
 * The first half of {@link preprocess}: what PIL's image holds after resizing and cropping.
 * Source: torchvision/transforms/functional.py, `resize` and `center_crop`.
 * @returns RGB, `[imageSize, imageSize, 3]`
 * @throws Pth2tfjsError `image` when width, height and data do not fit together
 */
export function resizeAndCrop(
  image: RawImage,
  { imageSize = 224 }: PreprocessOptions = {},
): Uint8Array {
  const grid = checkImage(image);
  if (!Number.isInteger(imageSize) || imageSize < 1) {
    throw new Pth2tfjsError('usage', `an image size of ${imageSize}; it must be a whole number`);
  }
  const short = Math.round(imageSize * RESIZE_PER_CROP);
  const [width, height] = resizedSize(grid.width, grid.height, short);
  return resample(grid, centred(width, imageSize), centred(height, imageSize));
}

/** The short side becomes `short`, the long one follows, rounded down. */
function resizedSize(width: number, height: number, short: number): [number, number] {
  return width <= height
    ? [short, Math.trunc((short * height) / width)]
    : [Math.trunc((short * width) / height), short];
}

function centred(length: number, size: number): Span {
  return { length, size, start: roundHalfToEven((length - size) / 2) };
}

/** As Python's `round` does. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** What each 8-bit value becomes; every step rounds to float32, as PyTorch's tensors do. */
function normalizeTable(mean: number, std: number): Float32Array {
  return Float32Array.from({ length: 256 }, (_, value) => {
    return Math.fround(Math.fround(value / 255) - mean) / std;
  });
}

function checkImage({ data, width, height }: RawImage): PixelGrid {
  const whole = [width, height].every((side) => Number.isSafeInteger(side) && side > 0);
  if (!whole) throw bad(`an image of ${width}x${height} pixels; both must be whole numbers`);
  const type = Object.prototype.toString.call(data).slice(8, -1);
  if (!/^Uint8(Clamped)?Array$/.test(type)) {
    throw bad(`pixels of type ${type}; they must be a Uint8Array or a Uint8ClampedArray`);
  }
  const channels = data.length / (width * height);
  if (channels !== 3 && channels !== 4) {
    throw bad(
      `an image of ${width}x${height} pixels with ${data.length} bytes; RGB takes ${width * height * 3}, RGBA ${width * height * 4}`,
    );
  }
  return { data, width, height, channels };
}

function bad(message: string): Pth2tfjsError {
  return new Pth2tfjsError('image', message, { hint: 'pass the pixels of one whole image' });
}
