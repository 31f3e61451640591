import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import { IMAGENET_MEAN, IMAGENET_STD } from 'pth2tfjs/preprocess';

const require = createRequire(import.meta.url);
/** Of MNIST's images; the files of the package `mnist` hold them as shares of 255, with three decimals. */
const SIDE = 28;

/**
 * Handwritten digits, split by their order in the files: first the training set, then the validation
 * set, then the test set. For images of your own, write a function that gives the same.
 * @returns `{ train, validation, test }`, each with `images`, normalised NHWC, and `labels`, int32
 */
export function loadDigits({ digits, perClass, imageSize }) {
  const files = digits.map((digit) => require(`mnist/src/digits/${digit}.json`).data);
  const splits = {};
  let start = 0;
  for (const [split, count] of Object.entries(perClass)) {
    splits[split] = collect(files, start, count, imageSize);
    start += count;
  }
  return splits;
}

function collect(files, start, count, imageSize) {
  const values = files.flatMap((data) =>
    data.slice(start * SIDE ** 2, (start + count) * SIDE ** 2),
  );
  const labels = files.flatMap((_, label) => Array(count).fill(label));
  return tf.tidy(() => ({
    images: normalise(tf.tensor4d(values, [labels.length, SIDE, SIDE, 1]), imageSize),
    labels: tf.tensor1d(labels, 'int32'),
  }));
}

/** Black around the digit up to the size of the network's input, grey as red, green and blue. */
function normalise(pixels, imageSize) {
  const before = Math.floor((imageSize - SIDE) / 2);
  const border = [before, imageSize - SIDE - before];
  const padded = tf.pad(pixels, [[0, 0], border, border, [0, 0]]);
  return tf.div(tf.sub(tf.tile(padded, [1, 1, 1, 3]), IMAGENET_MEAN), IMAGENET_STD);
}
