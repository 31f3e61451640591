import { IMAGENET_MEAN, IMAGENET_STD } from '../../../googlenet/preprocess.js';

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

const CLIP_MEAN: Three = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD: Three = [0.26862954, 0.26130258, 0.27577711];

/** What else people do, likeliest first. */
export const RECIPES: readonly Recipe[] = [
  IMAGENET,
  normalized('raw pixels from 0 to 1, not normalised', ZERO, ONE, 'input-not-normalized'),
  normalized('normalised with mean 0.5 and std 0.5', [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
  twice(),
  normalized("normalised with CLIP's mean and std", CLIP_MEAN, CLIP_STD),
  normalized('less the mean alone, not divided by the std', IMAGENET_MEAN, ONE),
  normalized('divided by the std alone, the mean not taken off', ZERO, IMAGENET_STD),
  scaled('raw pixels from 0 to 255', normalized('', ZERO, ONE), 255),
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

/** Whether two do the same, to a share of what they do. */
export function sameColours(a: Colours, b: Colours, tolerance: number): boolean {
  const all = (colours: Colours) => [...colours.matrix.flat(), ...colours.offset];
  const [left, right] = [all(a), all(b)];
  const unit = Math.max(...left.map(Math.abs));
  return left.every((value, i) => Math.abs(value - (right[i] as number)) <= tolerance * unit);
}
