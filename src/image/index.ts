/**
 * Make of an image what torchvision's preset makes of it, bit for bit; pure functions, fit for a worker.
 *
 * ```ts
 * import { preprocess } from 'pth2tfjs/preprocess';
 *
 * const input = preprocess({ data, width, height }); // NHWC float32, [1, 224, 224, 3]
 * ```
 *
 * @module
 */
export { IMAGENET_MEAN, IMAGENET_STD } from './imagenet.js';
export {
  type PreprocessOptions,
  preprocess,
  type RawImage,
  resizeAndCrop,
} from './preprocess.js';
