import { IMAGENET_MEAN, IMAGENET_STD } from '../../../image/imagenet.js';
import type { Planes } from '../../local/planes.js';
import { NAME } from '../../structure.js';

/** A way to prepare pixels from 0 to 1, in RGB: `x[c] = pixel[from[c]] * scale[c] + offset[c]`. */
export interface Recipe {
  /** As in "PyTorch's images were …". */
  readonly words: string;
  readonly id: string;
  readonly bgr: boolean;
  readonly scale: readonly number[];
  readonly offset: readonly number[];
}

type Three = readonly [number, number, number];
const ZERO: Three = [0, 0, 0];
const ONE: Three = [1, 1, 1];

function normalized(words: string, mean: Three, std: Three, id = 'input-normalization'): Recipe {
  const scale = std.map((each) => 1 / each);
  return {
    words,
    id,
    bgr: false,
    scale,
    offset: mean.map((each, c) => -each / (std[c] as number)),
  };
}

/** As torchvision's weights expect them. */
export const IMAGENET = normalized(
  "normalised with ImageNet's mean and std",
  IMAGENET_MEAN,
  IMAGENET_STD,
);

/** Not normalised. */
export const RAW = normalized(
  'raw pixels from 0 to 1, not normalised',
  ZERO,
  ONE,
  'input-not-normalized',
);

/** Not even divided by 255. */
export const BYTES = scaled('raw pixels from 0 to 255', RAW, 255);

const CLIP_MEAN: Three = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD: Three = [0.26862954, 0.26130258, 0.27577711];

/** What else people do, likeliest first. */
export const RECIPES: readonly Recipe[] = [
  IMAGENET,
  RAW,
  normalized('normalised with mean 0.5 and std 0.5', [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
  twice(),
  normalized("normalised with CLIP's mean and std", CLIP_MEAN, CLIP_STD),
  normalized('less the mean alone, not divided by the std', IMAGENET_MEAN, ONE),
  normalized('divided by the std alone, the mean not taken off', ZERO, IMAGENET_STD),
  BYTES,
  scaled('normalised without dividing by 255', IMAGENET, 255, IMAGENET.offset),
  scaled(
    'less the mean times 255, as for Caffe but in RGB',
    normalized('', IMAGENET_MEAN, ONE),
    255,
  ),
  swapped(
    scaled(
      'prepared as for Caffe: BGR from 0 to 255 less the mean',
      normalized('', [0.40760392, 0.45795686, 0.48501961], ONE),
      255,
    ),
  ),
  swapped(
    scaled(
      `prepared as for Caffe's ${NAME}: BGR from 0 to 255 less 104, 117 and 123`,
      normalized('', [104 / 255, 117 / 255, 123 / 255], ONE),
      255,
    ),
  ),
  normalized(
    "normalised with CIFAR-10's mean and std",
    [0.4914, 0.4822, 0.4465],
    [0.247, 0.2435, 0.2616],
  ),
  normalized(
    "normalised with CIFAR-10's mean and std",
    [0.4914, 0.4822, 0.4465],
    [0.2023, 0.1994, 0.201],
  ),
  normalized(
    "normalised with MNIST's mean and std",
    [0.1307, 0.1307, 0.1307],
    [0.3081, 0.3081, 0.3081],
  ),
  normalized('normalised with mean 0 and std 0.5', ZERO, [0.5, 0.5, 0.5]),
  normalized('normalised with mean 0.5 and std 1', [0.5, 0.5, 0.5], ONE),
  scaled(
    "divided by 255 twice and then normalised with ImageNet's mean and std",
    IMAGENET,
    1 / 255,
    IMAGENET.offset,
  ),
  scaled('divided by 255 twice and not normalised', normalized('', ZERO, ONE), 1 / 255),
  scaled("normalised with ImageNet's mean and std and then divided by 255", IMAGENET, 1 / 255),
  normalized("normalised with ImageNet's mean and std exchanged", IMAGENET_STD, IMAGENET_MEAN),
  normalized(
    "normalised with ImageNet's mean and std in the order BGR",
    [0.406, 0.456, 0.485],
    [0.225, 0.224, 0.229],
  ),
  normalized("normalised with ImageNet's mean and the std squared", IMAGENET_MEAN, [
    0.229 ** 2,
    0.224 ** 2,
    0.225 ** 2,
  ]),
];

function scaled(
  words: string,
  recipe: Recipe,
  factor: number,
  offset: readonly number[] = recipe.offset.map((x) => x * factor),
): Recipe {
  const id = 'input-0-255';
  return { ...recipe, words, id, scale: recipe.scale.map((x) => x * factor), offset };
}

function swapped(recipe: Recipe): Recipe {
  return { ...recipe, bgr: true, id: 'input-normalization' };
}

function twice(): Recipe {
  const { scale, offset } = IMAGENET;
  return {
    words: 'normalised twice',
    id: 'input-normalized-twice',
    bgr: false,
    scale: scale.map((x) => x * x),
    offset: offset.map((x, c) => x * (scale[c] as number) + x),
  };
}

/** How colours turn into colours: `out[c] = Σ matrix[c][i] * in[i] + offset[c]`. */
export interface Colours {
  readonly matrix: readonly (readonly number[])[];
  readonly offset: readonly number[];
}

/** Red and blue exchanged. */
export const SWAPPED: Colours = {
  matrix: [
    [0, 0, 1],
    [0, 1, 0],
    [1, 0, 0],
  ],
  offset: [0, 0, 0],
};

/** From images prepared in one way to the same images prepared in another. */
export function between(from: Recipe, to: Recipe): Colours {
  const source = (recipe: Recipe, c: number) => (recipe.bgr ? 2 - c : c);
  const scale = (recipe: Recipe, c: number) => recipe.scale[c] as number;
  const rows = [0, 1, 2].map((c) => {
    const pixel = source(to, c);
    const i = from.bgr ? 2 - pixel : pixel;
    return { i, factor: scale(to, c) / scale(from, i) };
  });
  return {
    matrix: rows.map(({ i, factor }) => [0, 1, 2].map((at) => (at === i ? factor : 0))),
    offset: rows.map(
      ({ i, factor }, c) => (to.offset[c] as number) - factor * (from.offset[i] as number),
    ),
  };
}

/** NCHW images in other colours. */
export function recoloured(
  { data, height, width }: Pick<Planes, 'data' | 'height' | 'width'>,
  { matrix, offset }: Colours,
): Float32Array {
  const area = height * width;
  return data.map((_, i) => {
    const c = Math.floor(i / area) % 3;
    const first = i - c * area;
    const row = matrix[c] as readonly number[];
    const sum = row.reduce((a, factor, k) => a + factor * (data[first + k * area] as number), 0);
    return sum + (offset[c] as number);
  });
}

/** Whether two do the same, to a share of what they do: factors and offsets each by themselves. */
export function sameColours(a: Colours, b: Colours, tolerance: number): boolean {
  const factors = (colours: Colours) => colours.matrix.flat();
  const unit = Math.max(...factors(a).map(Math.abs));
  const most = Math.max(unit, ...a.offset.map(Math.abs));
  return (
    isNear(factors(a), factors(b), tolerance * unit) && isNear(a.offset, b.offset, tolerance * most)
  );
}

function isNear(a: readonly number[], b: readonly number[], most: number): boolean {
  return a.every((value, i) => Math.abs(value - (b[i] as number)) <= most);
}

/** The smallest and the largest value of a colour. */
export type Range = readonly [low: number, high: number];

export function colourRanges(input: Float32Array, shape: readonly number[]): Range[] {
  const area = (shape[2] as number) * (shape[3] as number);
  return [0, 1, 2].map((c) => {
    let [low, high] = [Infinity, -Infinity];
    for (let plane = c; plane < input.length / area; plane += 3) {
      for (const value of input.subarray(plane * area, (plane + 1) * area)) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    }
    return [low, high];
  });
}

/**
 * The ways in which images of such values can have been prepared, likeliest first: those that make them
 * pixels from 0 to 1, of more than one shade. Where there are none, as with images of random numbers,
 * ImageNet's, and what makes them nearly pixels.
 */
export function likelyRecipes(ranges: readonly Range[]): readonly Recipe[] {
  const all = [RAW, ...RECIPES.filter((recipe) => recipe !== RAW)];
  const likely = all.filter((recipe) => holdsPixels(recipe, ranges, 0.002));
  if (likely.length > 0) return likely;
  return [IMAGENET, ...RECIPES.slice(1).filter((recipe) => holdsPixels(recipe, ranges, 0.5))];
}

/** Less than this share of all shades is no picture, but one that was divided by 255. */
const FEWEST_SHADES = 0.02;

function holdsPixels({ scale, offset }: Recipe, ranges: readonly Range[], beyond: number): boolean {
  const colours = ranges.map((range, c): Range => {
    const pixel = (value: number) => (value - (offset[c] as number)) / (scale[c] as number);
    return [pixel(range[0]), pixel(range[1])];
  });
  const shades = Math.max(...colours.map(([low, high]) => high - low));
  const most = beyond * shades;
  return shades > FEWEST_SHADES && colours.every(([low, high]) => low >= -most && high <= 1 + most);
}
