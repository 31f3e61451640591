import type { Tensor, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { Pth2tfjsError } from '../base/errors.js';
import { preprocess, type RawImage } from '../image/preprocess.js';

/**
 * What a browser draws, at its own size: turned as EXIF's orientation says, which Pillow's `open` does
 * not, and converted to sRGB. It must be opaque, since a canvas loses the colours of what is transparent.
 * Pass pixels to have them taken as they are.
 */
export type DrawableImage =
  | HTMLImageElement
  | HTMLVideoElement
  | HTMLCanvasElement
  | ImageBitmap
  | OffscreenCanvas;

/**
 * One image: pixels with width and height (RGB or RGBA, such as an `ImageData`), anything that a
 * browser draws, or a tensor: int32 `[height, width, 3]` with pixels from 0 to 255, or float32
 * `[size, size, 3]` that is normalised already.
 */
export type ImageInput = RawImage | ImageData | DrawableImage | Tensor3D;

/** Several images, which run as one batch; a tensor as for one image, with the images before. */
export type ImageBatch = readonly ImageInput[] | Tensor4D;

export function isBatch(images: ImageInput | ImageBatch): images is ImageBatch {
  return Array.isArray(images) || (isTensor(images) && images.shape.length === 4);
}

/** Images, as the model takes them: NHWC `[images, size, size, 3]`. */
export async function toBatch(
  images: ImageInput | ImageBatch,
  imageSize: number,
): Promise<Float32Array> {
  if (isTensor(images)) return fromTensor(images, imageSize);
  const list = Array.isArray(images) ? (images as readonly ImageInput[]) : [images as ImageInput];
  if (list.length === 0) throw new Pth2tfjsError('usage', 'a batch without images');
  const length = imageSize ** 2 * 3;
  const batch = new Float32Array(list.length * length);
  for (const [index, image] of list.entries()) {
    batch.set(await toInput(image, imageSize), index * length);
  }
  return batch;
}

/** One image of a batch: NHWC without the batch, `[size, size, 3]`. */
async function toInput(image: ImageInput, imageSize: number): Promise<Float32Array> {
  if (isTensor(image)) {
    if (image.shape.length === 3) return fromTensor(image, imageSize);
    throw unfit(image, 'a list takes tensors of one image each, [height, width, 3]');
  }
  return preprocess(isPixels(image) ? image : draw(image as DrawableImage), { imageSize });
}

function isTensor(image: unknown): image is Tensor3D | Tensor4D {
  return isObject(image) && 'dataSync' in image && 'dtype' in image;
}

function isPixels(image: unknown): image is RawImage {
  return isObject(image) && 'data' in image && 'width' in image && 'height' in image;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/**
 * One image or several, one after the other.
 * @throws Pth2tfjsError `image` for another shape or type
 */
async function fromTensor(tensor: Tensor, imageSize: number): Promise<Float32Array> {
  const { shape, dtype } = tensor;
  const [height = 0, width = 0, channels] = shape.slice(-3);
  const ranked = (shape.length === 3 || shape.length === 4) && tensor.size > 0;
  if (!ranked || channels !== 3 || (dtype !== 'int32' && dtype !== 'float32')) {
    const hint = 'pass int32 pixels or normalised float32, [height, width, 3] for each image';
    throw unfit(tensor, hint);
  }
  if (dtype === 'int32') {
    const pixels = Uint8ClampedArray.from(await tensor.data<'int32'>());
    return preprocessAll(pixels, width, height, imageSize);
  }
  if (height !== imageSize || width !== imageSize) {
    throw new Pth2tfjsError(
      'image',
      `a float32 tensor of ${height}x${width}; normalised images must be ${imageSize}x${imageSize}, as the model takes them`,
      { hint: 'pass int32 pixels from 0 to 255 to have them resized and normalised' },
    );
  }
  return tensor.data<'float32'>();
}

function preprocessAll(
  pixels: Uint8ClampedArray,
  width: number,
  height: number,
  imageSize: number,
): Float32Array {
  const [from, to] = [width * height * 3, imageSize ** 2 * 3];
  const batch = new Float32Array((pixels.length / from) * to);
  for (let at = 0, image = 0; at < pixels.length; at += from, image++) {
    const data = pixels.subarray(at, at + from);
    batch.set(preprocess({ data, width, height }, { imageSize }), image * to);
  }
  return batch;
}

function unfit({ shape, dtype }: Tensor, hint: string): Pth2tfjsError {
  return new Pth2tfjsError('image', `a tensor of shape [${shape}] and type ${dtype}`, { hint });
}

/** The pixels of what a browser shows, at its own size, upright, in sRGB. */
function draw(image: DrawableImage): RawImage {
  const pixels = drawPixels(image);
  for (let alpha = 3; alpha < pixels.data.length; alpha += 4) {
    if (pixels.data[alpha] !== 255) throw transparent();
  }
  return pixels;
}

/** Black, which a canvas has in its place, would be classified as part of the image. */
function transparent(): Pth2tfjsError {
  const message = 'the image is transparent in places, whose colours a canvas does not keep';
  return new Pth2tfjsError('image', message, {
    hint: 'draw it on a canvas over a background of your choice, or pass its pixels as { data, width, height } to have them taken without alpha',
  });
}

function drawPixels(image: DrawableImage): RawImage {
  const { width, height } = isObject(image) ? sizeOf(image) : {};
  if (width === undefined || height === undefined) {
    throw new Pth2tfjsError('image', 'what was given is no image', {
      hint: 'pass what a browser draws, pixels as { data, width, height }, or a tensor',
    });
  }
  if (!(width > 0 && height > 0)) {
    throw new Pth2tfjsError('image', 'an image without a size', {
      hint: 'wait until it has loaded: await image.decode(), or the loadeddata event of a video',
    });
  }
  try {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (context === null) throw new Error('the browser gives no 2D canvas');
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, width, height);
  } catch (cause) {
    throw new Pth2tfjsError('image', `the image cannot be drawn: ${String(cause)}`, {
      cause,
      hint: 'pass its pixels as { data, width, height }; images of other sites need crossOrigin set before src, and CORS',
    });
  }
}

function sizeOf(image: DrawableImage): { width?: number; height?: number } {
  if ('naturalWidth' in image) return { width: image.naturalWidth, height: image.naturalHeight };
  if ('videoWidth' in image) return { width: image.videoWidth, height: image.videoHeight };
  return { width: image.width, height: image.height };
}
