/** Faults in the input that the golden file holds, beside the right logits. */

import { IMAGENET_MEAN, IMAGENET_STD } from '../../src/image/index.js';
import type { Golden } from '../../src/index.js';
import { type Fault, type FaultRow, faultsOf, type Sound } from './types.js';

type Shape = Golden['shape'];

/** Plants another value at each place, from the old values and the place's image, channel, row and column. */
export const asSaved =
  (value: (at: At, y: number, x: number, c: number, n: number) => number) =>
  ({ plain: { files, golden } }: Sound) => {
    const { shape } = golden;
    const input = new Float32Array(golden.input.length);
    const at: At = (y, x, c, n) => golden.input[offset(shape, y, x, c, n)] as number;
    const [images, channels, height, width] = shape;
    for (let n = 0, i = 0; n < images; n++) {
      for (let c = 0; c < channels; c++) {
        for (let y = 0; y < height; y++) {
          for (let x = 0; x < width; x++) input[i++] = value(at, y, x, c, n);
        }
      }
    }
    return { files, golden: { ...golden, input } };
  };

type At = (y: number, x: number, c: number, n: number) => number;

function offset([, channels, height, width]: Shape, y: number, x: number, c: number, n: number) {
  return ((n * channels + c) * height + y) * width + x;
}

/** Plants a function of each value and its channel. */
export const each = (value: (x: number, channel: number) => number) =>
  asSaved((at, y, x, c, n) => value(at(y, x, c, n), c));

/** The images of checkpoints.py are two, of 64 by 64 pixels. */
const EDGE = 63;

const mean = (c: number) => IMAGENET_MEAN[c] as number;
const std = (c: number) => IMAGENET_STD[c] as number;
const pixel = (x: number, c: number) => x * std(c) + mean(c);

/** The bytes of each image in NHWC order, under the shape of NCHW. */
function asChannelsLast({ plain: { files, golden } }: Sound) {
  const [images, channels, height, width] = golden.shape;
  const input = new Float32Array(golden.input.length);
  for (let n = 0, i = 0; n < images; n++) {
    for (let p = 0; p < height * width; p++) {
      for (let c = 0; c < channels; c++) {
        input[i++] = golden.input[(n * channels + c) * height * width + p] as number;
      }
    }
  }
  return { files, golden: { ...golden, input } };
}

const BGR = { id: 'input-bgr' };

const ROWS: readonly FaultRow[] = [
  ['input not normalised', { id: 'input-not-normalized' }, each(pixel)],
  ['input from 0 to 255', { id: 'input-0-255' }, each((x, c) => 255 * pixel(x, c))],
  [
    'input normalised twice',
    { id: 'input-normalized-twice' },
    each((x, c) => (x - mean(c)) / std(c)),
  ],
  ['input in BGR', BGR, asSaved((at, y, x, c, n) => at(y, x, 2 - c, n))],
  [
    'input in BGR, normalised as RGB',
    BGR,
    asSaved((at, y, x, c, n) => (pixel(at(y, x, 2 - c, n), 2 - c) - mean(c)) / std(c)),
  ],
  ['input in NHWC', { id: 'input-layout' }, asChannelsLast],
  [
    'input in the order GRB',
    null,
    asSaved((at, y, x, c, n) => at(y, x, [1, 0, 2][c] as number, n)),
  ],
  [
    'means and deviations in the order BGR',
    null,
    each((x, c) => (pixel(x, c) - mean(2 - c)) / std(2 - c)),
  ],
  ['input transposed', null, asSaved((at, y, x, c, n) => at(x, y, c, n))],
  ['input mirrored', null, asSaved((at, y, x, c, n) => at(y, EDGE - x, c, n))],
  ['input upside down', null, asSaved((at, y, x, c, n) => at(EDGE - y, x, c, n))],
  [
    'input one pixel off',
    null,
    asSaved((at, y, x, c, n) => at(Math.min(y + 1, EDGE), Math.min(x + 1, EDGE), c, n)),
  ],
  ['images in another order', null, asSaved((at, y, x, c, n) => at(y, x, c, 1 - n))],
  ['input from -1 to 1', null, each((x, c) => 2 * pixel(x, c) - 1)],
  ['input less its mean alone', null, each((x, c) => pixel(x, c) - mean(c))],
  [
    'input in grey',
    null,
    asSaved((at, y, x, _, n) => (at(y, x, 0, n) + at(y, x, 1, n) + at(y, x, 2, n)) / 3),
  ],
];

export const INPUT_FAULTS: readonly Fault[] = faultsOf(
  'input',
  ROWS.map(([name, nameable, plant]) => [name, nameable, plant, 'conv1']),
);
