/** Mistakes in the input that the golden file holds: the logits are of the right one. */

import { IMAGENET_MEAN, IMAGENET_STD } from '../../../src/image/index.js';
import type { Golden } from '../../../src/index.js';
import { type Further, further, type Options } from './types.js';

type At = (n: number, c: number, y: number, x: number) => number;

/** Each value anew, from the old ones. */
function refilled(golden: Golden, value: (at: At, ...place: Parameters<At>) => number): Golden {
  const [images, channels, height, width] = golden.shape;
  const at: At = (n, c, y, x) =>
    golden.input[((n * channels + c) * height + y) * width + x] as number;
  const input = new Float32Array(golden.input.length);
  for (const i of input.keys()) {
    const [x, row] = [i % width, Math.floor(i / width)];
    const [y, plane] = [row % height, Math.floor(row / height)];
    input[i] = value(at, Math.floor(plane / channels) % images, plane % channels, y, x);
  }
  return { ...golden, input };
}

const saved = (
  name: string,
  truth: readonly RegExp[],
  value: (at: At, ...place: Parameters<At>) => number,
  options: Options = {},
): Further =>
  further(
    `the file has ${name}`,
    [],
    truth,
    ({ plain: { files, golden } }) => ({ files, golden: refilled(golden, value) }),
    { layer: 'conv1', half: OTHER_IMAGES, ...options },
  );

const SIDE = 64;
const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073] as const;
const CLIP_STD = [0.26862954, 0.26130258, 0.27577711] as const;

const of = (values: readonly number[], channel: number) => values[channel] as number;
const pixel = (value: number, c: number) => value * of(IMAGENET_STD, c) + of(IMAGENET_MEAN, c);

const NORMALISED = /normali[sz]|\bmean|\bstd|deviation|constants|CLIP/i;
/** True of all of these. */
const OTHER_IMAGES = /(other|another|different) (image|picture|input)s?/i;
const WHICH = /image (number |no\. |#)?1\b|second image|one image|one of the images/i;

export const FURTHER_INPUTS: readonly Further[] = [
  saved("images normalised with CLIP's constants", [NORMALISED], (at, n, c, y, x) => {
    return (pixel(at(n, c, y, x), c) - of(CLIP_MEAN, c)) / of(CLIP_STD, c);
  }),
  saved(
    'images divided by the deviation alone',
    [NORMALISED],
    (at, n, c, y, x) => pixel(at(n, c, y, x), c) / of(IMAGENET_STD, c),
    { always: true },
  ),
  saved(
    'images in the order RBG',
    [/channel|colou?r|RBG|plane/i, /order|swap|exchang|RBG|permut|matrix|times|mix/i],
    (at, n, c, y, x) => at(n, (3 - c) % 3, y, x),
  ),
  saved('images turned by 90 degrees', [/turn|rotat|90/i], (at, n, c, y, x) =>
    at(n, c, x, SIDE - 1 - y),
  ),
  saved('images moved by one pixel', [/shift|mov|offset|off by|crop/i], (at, n, c, y, x) =>
    at(n, c, y, Math.max(x - 1, 0)),
  ),
  saved('the first image twice', [/image/i, /\b1\b|second|twice|same|one/i], (at, _, c, y, x) =>
    at(0, c, y, x),
  ),
  saved('the second image from 0 to 255', [WHICH], (at, n, c, y, x) =>
    n === 1 ? 255 * pixel(at(n, c, y, x), c) : at(n, c, y, x),
  ),
  saved(
    'images of whole numbers, as uint8 leaves them',
    [/round|whole|integer|uint8|8.?bit|cut/i],
    (at, n, c, y, x) => Math.trunc(at(n, c, y, x)),
  ),
];
