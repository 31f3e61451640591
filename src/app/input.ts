import type { Tensor } from '@tensorflow/tfjs-core';
import { Pth2tfjsError } from '../errors.js';
import { preprocess, type RawImage } from '../image/preprocess.js';

/** What a browser draws. */
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
export type ImageInput = RawImage | ImageData | DrawableImage | Tensor;

/** One image, as the model takes it: NHWC without the batch, `[size, size, 3]`. */
export async function toInput(image: ImageInput, imageSize: number): Promise<Float32Array> {
  if (isTensor(image)) return fromTensor(image, imageSize);
  return preprocess(isPixels(image) ? image : draw(image as DrawableImage), { imageSize });
}

function isTensor(image: ImageInput): image is Tensor {
  return 'dataSync' in image && 'dtype' in image;
}

function isPixels(image: object): image is RawImage {
  return 'data' in image && 'width' in image && 'height' in image;
}

/** @throws Pth2tfjsError `image` for another shape or type */
async function fromTensor(tensor: Tensor, imageSize: number): Promise<Float32Array> {
  const { shape, dtype } = tensor;
  const [height = 0, width = 0, channels] = shape;
  if (shape.length !== 3 || channels !== 3 || (dtype !== 'int32' && dtype !== 'float32')) {
    throw new Pth2tfjsError('image', `a tensor of shape [${shape}] and type ${dtype}`, {
      hint: 'pass int32 pixels or normalised float32, [height, width, 3] for each image',
    });
  }
  if (dtype === 'int32') {
    const data = Uint8ClampedArray.from(await tensor.data<'int32'>());
    return preprocess({ data, width, height }, { imageSize });
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

/** The pixels of what a browser shows, at its own size. */
function draw(image: DrawableImage): RawImage {
  const { width, height } = sizeOf(image);
  if (!(width > 0 && height > 0)) {
    throw new Pth2tfjsError('image', 'an image without a size', {
      hint: 'wait until it has loaded: await image.decode(), or the loadeddata event of a video',
    });
  }
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) throw new Pth2tfjsError('image', 'the browser gives no 2D canvas');
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, width, height);
}

function sizeOf(image: DrawableImage): { width: number; height: number } {
  if ('naturalWidth' in image) return { width: image.naturalWidth, height: image.naturalHeight };
  if ('videoWidth' in image) return { width: image.videoWidth, height: image.videoHeight };
  return { width: image.width, height: image.height };
}
