import type { Planes } from '../../local/planes.js';
import { pairStory, SAVED } from './colours.js';
import {
  BYTES,
  between,
  type Colours,
  colourRanges,
  IMAGENET,
  likelyRecipes,
  RAW,
  RECIPES,
  type Recipe,
  recoloured,
} from './recipes.js';

/** Images that PyTorch may have been given in place of the golden file's. */
export interface OtherImages {
  readonly id: string;
  readonly words: string;
  readonly cure: string;
  readonly data: Float32Array;
}

const FLOAT = 'Give PyTorch the images in float32, and round them nowhere.';

/** The golden file's images with their decimals lost on the way into PyTorch's network. */
export function* roundedImages({ data, ...size }: Planes): Iterable<OtherImages> {
  const other = (what: string, values: Float32Array): OtherImages => ({
    id: 'input-rounded',
    words: `PyTorch was given the images ${what}`,
    cure: FLOAT,
    data: values,
  });
  for (const [what, round] of ROUNDINGS) yield other(what, data.map(round));
  const pixels = recoloured({ data, ...size }, between(IMAGENET, BYTES));
  const ones = pixels.map((value) => Math.floor(toEven(value) / 255));
  const whole = recoloured({ data: ones, ...size }, between(RAW, IMAGENET));
  yield other('divided by 255 as whole numbers, which leaves zeros and ones', whole);
  for (const [what, bytes] of eightBits({ data, ...size })) {
    yield other(what, recoloured({ data: bytes, ...size }, between(BYTES, IMAGENET)));
  }
}

/** The pixels from 0 to 255 of normalised images. */
export function eightBits(images: Planes): (readonly [what: string, bytes: Float32Array])[] {
  const bytes = recoloured(images, between(IMAGENET, BYTES));
  return [
    ['rounded to 8 bits', bytes.map(toEven)],
    ['cut to 8 bits', bytes.map((value) => Math.floor(value + 1e-4))],
  ];
}

/** As PyTorch's `round` does it. */
function toEven(value: number): number {
  const near = Math.round(value);
  return Math.abs(value % 1) === 0.5 && near % 2 !== 0 ? near - 1 : near;
}

const ROUNDINGS: readonly (readonly [string, (value: number) => number])[] = [
  ['rounded to whole numbers', toEven],
  ['cut to whole numbers', Math.trunc],
  ['rounded down to whole numbers', Math.floor],
  ['cast to bytes', (value) => Math.trunc(value) & 255],
];

/** Images that the golden file holds less exactly than PyTorch had them. */
export interface BlurredImages extends OtherImages {
  /** The same, strayed from as far as what was lost would have it. */
  readonly strayed: Float32Array;
}

/**
 * PyTorch's images as far as the golden file still tells them: of whole numbers the decimals are lost, of what
 * was divided by 255 and normalised the last bits.
 */
export function* blurredImages(images: Planes): Iterable<BlurredImages> {
  if (images.data.every(Number.isInteger)) {
    yield* wholeImages(images);
    return;
  }
  const ranges = colourRanges(images.data, [images.images, 3, images.height, images.width]);
  const from = likelyRecipes(ranges)[0] as Recipe;
  // Of numbers between 1 and 4, float32 keeps 22 or 23 bits after the point.
  if (from.id === 'input-0-255') yield* prepared(images, from, (value) => value, FLOAT32, '');
}

/** Half of float32's distance between two numbers from 2 to 4. */
const FLOAT32 = 2 ** -23;

function* wholeImages(images: Planes): Iterable<BlurredImages> {
  const [low, high] = [Math.min, Math.max].map((pick) => images.data.reduce((a, b) => pick(a, b)));
  if (low === high) return;
  const bytes = low !== undefined && low >= 0 && high !== undefined && high <= 255 && high > 8;
  if (bytes) {
    // Rounded, or cut.
    yield* prepared(images, BYTES, (value) => value, 0.5, ' without decimals');
    yield* prepared(images, BYTES, (value) => value + 0.5, 0.5, ' without decimals');
    return;
  }
  const words = "the golden file's input holds whole numbers, where PyTorch's images had decimals";
  const story = { id: 'input-rounded', words, cure: 'Save the input in float32.' };
  yield { ...story, data: images.data, strayed: stray(images.data, 0.5) };
  const cut = images.data.map((value) => value + 0.5 * Math.sign(value));
  yield { ...story, data: cut, strayed: stray(cut, (value) => (value === 0 ? 1 : 0.5)) };
}

function* prepared(
  images: Planes,
  from: Recipe,
  centre: (value: number) => number,
  half: number,
  lost: string,
): Iterable<BlurredImages> {
  const data = images.data.map(centre);
  const strayed = stray(data, half);
  for (const to of [IMAGENET, ...RECIPES.slice(1)]) {
    if (to === from) continue;
    const colours: Colours = between(from, to);
    const { id, words, cure } = pairStory(from, to);
    yield {
      id,
      cure: cure.includes(SAVED) ? cure : `${cure} ${SAVED}`,
      words: `${words}${lost}`,
      data: recoloured({ ...images, data }, colours),
      strayed: recoloured({ ...images, data: strayed }, colours),
    };
  }
}

/** Each value moved by up to `half`, the same way in every run. */
function stray(data: Float32Array, half: number | ((value: number) => number)): Float32Array {
  const most = typeof half === 'number' ? () => half : half;
  let state = 1;
  return data.map((value) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return value + most(value) * (state / 2 ** 31 - 1);
  });
}

/**
 * Whether what is left of an error has the size that the lost decimals have.
 * @param lost how far images that strayed by as much are apart
 */
export function isOfSize(error: number, lost: number): boolean {
  return error > 0.4 * lost && error < 2.5 * lost;
}
