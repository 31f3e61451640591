import { option } from '../../base/option.js';
import { NETWORK } from '../../networks/index.js';
import { toNCHW, toNHWC } from '../../numbers/layout.js';
import { batchNHWC, type Golden } from '../golden.js';
import type { Laboratory } from '../laboratory.js';
import { planesOf } from '../local/planes.js';
import { FIRST, TRANSFORM_INPUT } from '../structure.js';
import { pairStory } from './images/colours.js';
import { MOVES, rolled, shifted, shiftWords } from './images/moves.js';
import {
  between,
  type Colours,
  colourRanges,
  IMAGENET,
  likelyRecipes,
  RECIPES,
  recoloured,
  SWAPPED,
  sameColours,
} from './images/recipes.js';
import { sizedImages, sizeStory } from './images/sizes.js';
import { blurredImages, isOfSize, roundedImages } from './images/whole-numbers.js';
import type { Finding, Lineup, Suspect } from './suspect.js';

/** NCHW in, NCHW out. */
type Change = (input: Float32Array) => Float32Array;

/** What can be wrong with the images: all are tried on the model as it is. */
export const inputSuspects: Lineup = function* (lab) {
  if (reachesFirst(lab)) return;
  for (const suspect of changes(lab)) {
    const { change, ...rest } = suspect;
    yield { ...rest, variation: { input: change } };
  }
};

/** Whether the first layer's recorded output is right, and with it the input. */
function reachesFirst({ layers }: Laboratory): boolean {
  const recorded = layers?.layers.some(({ layer }) => layer === FIRST) ?? false;
  return recorded && layers?.firstJump !== FIRST;
}

/** Two of them at once, for what a hurried script gets wrong together. */
export const inputPairs: Lineup = function* (lab) {
  if (reachesFirst(lab)) return;
  const all = [...changes(lab, 1)].filter(({ id }) => COMMON.has(id));
  for (const first of all) {
    for (const second of all) {
      if (first.id === second.id || (first.recipe && second.recipe)) continue;
      yield {
        id: `${first.id}+${second.id}`,
        description: `${first.description}; then ${second.description}`,
        summary: `${first.summary}; and ${second.summary}`,
        cure: `${first.cure} ${second.cure}`,
        variation: { input: (input) => second.change(first.change(input)) },
      };
    }
  }
};

const COMMON = new Set([
  'transform-input',
  'input-not-normalized',
  'input-0-255',
  'input-bgr',
  'input-layout',
]);

/** Two recipes in a row are one. */
type InputSuspect = Suspect & { readonly change: Change; readonly recipe?: true };

/** @param most how many ways to have prepared the golden file's images to consider */
function* changes(lab: Laboratory, most = Infinity): Iterable<InputSuspect> {
  const { shape } = lab.golden;
  yield transformInput(lab);
  yield* recipes(lab.golden, most);
  yield* channelOrders(shape);
  yield* layouts(shape);
}

/** Prepared otherwise than the golden file's images are, as far as their values tell. */
function* recipes({ input, shape }: Golden, most: number): Iterable<InputSuspect> {
  const tried: Colours[] = [];
  for (const from of likelyRecipes(colourRanges(input, shape)).slice(0, most)) {
    for (const to of RECIPES) {
      const colours = between(from, to);
      if (from === to || tried.some((each) => sameColours(each, colours, 1e-6))) continue;
      tried.push(colours);
      const { id, words, cure } = pairStory(from, to);
      const change = recolour(shape, colours);
      const description = `the images ${to.words}`;
      yield { id, description, summary: words, cure, change, recipe: true };
    }
  }
}

function recolour([, , height, width]: Golden['shape'], colours: Colours): Change {
  return (data) => recoloured({ data, height, width }, colours);
}

function transformInput({ golden, transformInput: on }: Laboratory): InputSuspect {
  const { scale, offset } = TRANSFORM_INPUT;
  const factors = on ? scale.map((factor) => 1 / factor) : scale;
  const rest = on ? offset.map((value, c) => -value / (scale[c] as number)) : offset;
  return {
    id: 'transform-input',
    description: `transform_input turned ${on ? 'off' : 'on'}`,
    summary: `transform_input was ${on ? 'off' : 'on'} in PyTorch`,
    cure: `Convert again with ${option('transformInput', !on)}.`,
    change: recolour(golden.shape, { matrix: diagonal(factors), offset: rest }),
  };
}

function diagonal(factors: readonly number[]): number[][] {
  return factors.map((factor, c) => [0, 1, 2].map((i) => (i === c ? factor : 0)));
}

function* channelOrders(shape: Golden['shape']): Iterable<InputSuspect> {
  const rest = {
    id: 'input-bgr',
    summary: 'red and blue are swapped: one side has RGB, the other BGR',
    cure: 'Give both RGB; OpenCV reads BGR.',
  };
  yield { ...rest, description: 'red and blue swapped', change: recolour(shape, SWAPPED) };
  yield {
    ...rest,
    description: 'red and blue swapped before normalising',
    change: recolour(shape, between(IMAGENET, { ...IMAGENET, bgr: true })),
  };
}

function* layouts([images, , height, width]: readonly number[]): Iterable<InputSuspect> {
  const [n, h, w] = [images as number, height as number, width as number];
  const layout = {
    id: 'input-layout',
    summary: 'the layouts are mixed up: channels first (NCHW) read as channels last (NHWC)',
    cure: 'Permute the axes, x.permute(0, 3, 1, 2), where a reshape or view was used.',
  };
  yield {
    ...layout,
    description: 'the input read as NHWC',
    change: (input) => toNCHW(input, [n, h, w, 3]),
  };
  yield {
    ...layout,
    description: 'the input laid out as NHWC',
    change: (input) => toNHWC(input, [n, 3, h, w]),
  };
  const moved =
    (at: (y: number, x: number) => number): Change =>
    (input) => {
      const out = new Float32Array(input.length);
      for (let plane = 0; plane < input.length; plane += h * w) {
        for (let y = 0; y < h; y++) {
          for (let x = 0; x < w; x++) out[plane + y * w + x] = input[plane + at(y, x)] as number;
        }
      }
      return out;
    };
  const cure = 'Give both sides the same image.';
  yield {
    id: 'input-transposed',
    description: 'height and width swapped',
    summary: 'height and width of the images are swapped',
    cure,
    change: moved((y, x) => x * w + y),
  };
  yield {
    id: 'input-mirrored',
    description: 'the images mirrored',
    summary: 'the images are mirrored, as by a random flip meant for training',
    cure,
    change: moved((y, x) => y * w + w - 1 - x),
  };
  yield {
    id: 'input-upside-down',
    description: 'the images upside down',
    summary: 'the images are upside down',
    cure,
    change: moved((y, x) => (h - 1 - y) * w + x),
  };
}

/** Decimals lost of what PyTorch was given. */
export const roundedInputs: Lineup = function* (lab) {
  if (reachesFirst(lab)) return;
  const planes = planesOf(lab.golden.input, lab.golden.shape);
  for (const { id, words, cure, data } of roundedImages(planes)) {
    yield { id, description: words, summary: words, cure, variation: { input: () => data } };
  }
};

/** Decimals lost of what was saved. */
export const blurredInputs: Lineup = function* (lab) {
  if (reachesFirst(lab)) return;
  const planes = planesOf(lab.golden.input, lab.golden.shape);
  for (const { data, strayed, words, ...rest } of blurredImages(planes)) {
    const measure = () => measureBlurred(lab, data, strayed);
    yield { ...rest, description: words, summary: words, measure };
  }
};

/** What was lost leaves an error, which must be of the size that as much noise has. */
async function measureBlurred(
  lab: Laboratory,
  data: Float32Array,
  strayed: Float32Array,
): Promise<Finding> {
  const error = await lab.error({ input: () => data });
  if (error > MOST_BLURRED) return { error };
  const logits = async (input: Float32Array) =>
    lab.runBatch(undefined, batchNHWC({ ...lab.golden, input }), () => undefined);
  const [near, far] = [await logits(data), await logits(strayed)];
  const left = lab.worstRowError(near);
  return {
    error: left,
    convicted: left <= lab.goal || isOfSize(left, lab.worstRowError(far, near)),
  };
}

/** What lost decimals leave on networks that amplify them; what is wrong otherwise leaves more. */
const MOST_BLURRED = 0.25;

/** The images in sizes that people take them in; with layers, the first of them tells its own. */
export const sizedInputs: Lineup = function* (lab) {
  if (lab.layers?.layers.some(({ layer }) => layer === FIRST)) return;
  const planes = planesOf(lab.golden.input, lab.golden.shape);
  const usual = planes.height;
  for (const imageSize of otherSizes(usual)) {
    const model = { ...lab.model, layers: lab.layersFor(imageSize) };
    for (const { words, images } of sizedImages(planes, imageSize)) {
      const description = `images of ${imageSize}x${imageSize}, ${words}`;
      const variation = { model, imageSize, input: () => images.data };
      yield { ...sizeStory(imageSize, usual, words), description, variation };
    }
  }
};

function otherSizes(usual: number): number[] {
  const shares = [256 / 224, 2, 1 / 2, 224 / 256, 3 / 2, 299 / 224];
  const sizes = [...shares.map((share) => Math.round(share * usual)), 224, 256];
  const near = (size: number) => size <= 2 * usual && 2 * size >= usual;
  return [...new Set(sizes)].filter(
    (size) => near(size) && size !== usual && size >= NETWORK.imageSizes.min,
  );
}

/** Turns, and shifts by a pixel or two; only without layers, which tell at once. */
export const movedImages: Lineup = function* (lab) {
  if (lab.layers?.layers.some(({ layer }) => layer === FIRST)) return;
  const { shape } = lab.golden;
  const planes = (data: Float32Array) => planesOf(data, shape);
  const cure = 'Give both sides the same image.';
  for (const { id, words, apply } of MOVES.slice(3)) {
    const input: Change = (data) => apply(planes(data)).data;
    yield { id, description: words, summary: words, cure, variation: { input } };
  }
  for (const [dy, dx] of SHIFTS) {
    for (const edge of ['rolled', 'zeros', 'repeated'] as const) {
      const words = `the images shifted by ${shiftWords(dy, dx)} (${edge})`;
      const input: Change = (data) =>
        (edge === 'rolled' ? rolled(planes(data), dy, dx) : shifted(planes(data), dy, dx, edge))
          .data;
      const summary = `PyTorch was given ${words}`;
      yield { id: 'input-shifted', description: words, summary, cure, variation: { input } };
    }
  }
};

const SHIFTS = [
  [0, 1],
  [0, -1],
  [1, 0],
  [-1, 0],
  [1, 1],
  [-1, -1],
] as const;
