export { findNonPixel, IMAGENET_MEAN, IMAGENET_STD, toPixels } from '../image/imagenet.js';
export { TRANSFORM_INPUT } from '../networks/googlenet.js';
