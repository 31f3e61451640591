import { option } from '../../../base/option.js';
import { convolveAt } from '../../local/convolve.js';
import { channelError, LOCAL_GOAL } from '../../local/errors.js';
import { activated, type ConvCase, usualWindows } from '../../local/layer-case.js';
import { leastSquares } from '../../local/least-squares.js';
import type { Planes } from '../../local/planes.js';
import { type ColourStory, otherColours } from './other-colours.js';
import {
  between,
  type Colours,
  IMAGENET,
  likelyRecipes,
  type Range,
  RECIPES,
  type Recipe,
  SWAPPED,
  sameColours,
} from './recipes.js';

export type { Range } from './recipes.js';

/**
 * The colours that PyTorch's first convolution saw, from what it gave: nine factors and three offsets
 * that turn the golden file's images into them. Null where no such numbers explain its output.
 */
export function fitColours(each: ConvCase, input: Planes): Colours | null {
  const shades = [0, 1, 2].map((colour) => standardized(input, colour));
  const columns = colourColumns(each, input, shades);
  const found = fitColumns(each, columns);
  if (found === null) return null;
  const output = activated(sumOf(columns, found), each);
  const error = channelError(each.expected, output, each.channels);
  return error <= 2 * LOCAL_GOAL ? unstandardized(found, shades) : null;
}

/** Of fewer numbers anything could be made. */
const FEWEST = 200;

/** How much of each column there is in what PyTorch gave: where ReLU let it through, the convolution's output is known. */
function fitColumns(
  { expected, channels, scale, offset }: ConvCase,
  columns: readonly Float64Array[],
): number[] | null {
  const seen = Array.from(expected.keys()).filter((i) => expected[i] !== 0);
  if (seen.length < FEWEST) return null;
  const target = Float64Array.from(seen, (i) => {
    const c = i % channels;
    return ((expected[i] as number) - (offset[c] as number)) / (scale[c] as number);
  });
  const chosen = columns.map((column) => Float64Array.from(seen, (i) => column[i] as number));
  return leastSquares(chosen, target);
}

function sumOf(columns: readonly Float64Array[], shares: readonly number[]): Float64Array {
  const sum = new Float64Array(columns[0]?.length ?? 0);
  for (const [k, column] of columns.entries()) {
    for (let i = 0; i < sum.length; i++) {
      sum[i] = (sum[i] as number) + (shares[k] as number) * (column[i] as number);
    }
  }
  return sum;
}

/** One colour of the images, less its mean and divided by its deviation: what differs little is told apart, too. */
interface Shades {
  readonly data: Float32Array;
  readonly mean: number;
  readonly deviation: number;
}

function standardized(input: Planes, colour: number): Shades {
  const area = input.height * input.width;
  const out = new Float32Array(input.images * area);
  for (let image = 0; image < input.images; image++) {
    const at = (image * 3 + colour) * area;
    out.set(input.data.subarray(at, at + area), image * area);
  }
  const mean = out.reduce((sum, value) => sum + value, 0) / out.length;
  const squares = out.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / out.length) || 1;
  return { data: out.map((value) => (value - mean) / deviation), mean, deviation };
}

/** The coefficients of standardized colours as those of the images themselves. */
function unstandardized(found: readonly number[], shades: readonly Shades[]): Colours {
  const matrix = [0, 1, 2].map((c) =>
    shades.map(({ deviation }, i) => (found[3 * c + i] as number) / deviation),
  );
  const offset = matrix.map((row, c) =>
    row.reduce(
      (sum, factor, i) => sum - factor * (shades[i] as Shades).mean,
      found[9 + c] as number,
    ),
  );
  return { matrix, offset };
}

/** What each colour of the images gives through each colour of the kernels, then ones through each. */
function colourColumns(each: ConvCase, input: Planes, shades: readonly Shades[]): Float64Array[] {
  const ones = new Float32Array(input.images * input.height * input.width).fill(1);
  const through = (data: Float32Array, c: number) =>
    convolveAt(
      { ...input, data, channels: 1 },
      slice(each, c),
      usualWindows(each.block),
      each.positions,
    );
  return [
    ...[0, 1, 2].flatMap((c) => shades.map(({ data }) => through(data, c))),
    ...[0, 1, 2].map((c) => through(ones, c)),
  ];
}

/** The kernel of one input channel. */
function slice({ kernel, channels, block }: ConvCase, colour: number): Float32Array {
  const area = block.kernel ** 2;
  const out = new Float32Array(area * channels);
  for (let pixel = 0; pixel < area; pixel++) {
    const at = (pixel * block.inChannels + colour) * channels;
    out.set(kernel.subarray(at, at + channels), pixel * channels);
  }
  return out;
}

/**
 * What the colours mean: which preparation stands on either side.
 * @param ranges of the golden file's images, for each colour
 * @param transformInput whether the model's transform_input came before the colours
 */
export function colourStory(
  colours: Colours,
  ranges: readonly Range[],
  transformInput: boolean,
): ColourStory {
  const [on, off] = [between(IMAGENET, HALF), between(HALF, IMAGENET)];
  if (sameColours(transformInput ? off : on, colours, 1e-3)) return transformStory(transformInput);
  if (sameColours(SWAPPED, colours, 1e-3)) return { id: 'input-bgr', words: BGR };
  // PyTorch's network has transform_input as well, so that its images differ before it.
  const images = transformInput ? compose(off, compose(colours, on)) : colours;
  return recipeStory(images, ranges);
}

const HALF = RECIPES[2] as Recipe;
const BGR = 'red and blue are swapped: one side has RGB, the other BGR';

/** transform_input and a normalisation with 0.5 are the same thing. */
function transformStory(on: boolean): ColourStory {
  const same = on
    ? ''
    : ', or its images were normalised with mean 0.5 and std 0.5, which is the same';
  return {
    id: 'transform-input',
    words: `transform_input was ${on ? 'off' : 'on'} in PyTorch${same}`,
    cure: `Convert again with ${option('transformInput', !on)}.`,
  };
}

/** First the right one, then the left one. */
function compose(left: Colours, right: Colours): Colours {
  const times = (row: readonly number[], values: readonly number[]) =>
    row.reduce((sum, factor, i) => sum + factor * (values[i] as number), 0);
  const column = (c: number) => right.matrix.map((row) => row[c] as number);
  return {
    matrix: left.matrix.map((row) => [0, 1, 2].map((c) => times(row, column(c)))),
    offset: left.matrix.map((row, c) => times(row, right.offset) + (left.offset[c] as number)),
  };
}

/** Several pairs may do the same: the values on the golden file's side tell which it is. */
function recipeStory(colours: Colours, ranges: readonly Range[]): ColourStory {
  const likely = likelyRecipes(ranges);
  for (const bgr of [false, true]) {
    for (const from of likely) {
      for (const to of RECIPES) {
        const right = between(from, bgr ? swap(to) : to);
        if (sameColours(right, colours, 1e-3)) return pairStory(from, to, bgr);
      }
    }
  }
  return sameColours(SWAPPED, colours, 1e-3)
    ? { id: 'input-bgr', words: BGR }
    : otherColours(colours);
}

/** The golden file's images prepared in one way, PyTorch's in another. */
export function pairStory(from: Recipe, to: Recipe, bgr = false): ColourStory & { cure: string } {
  return { id: idOf(from, to, bgr), words: recipeWords(from, to, bgr), cure: cureOf(from, to) };
}

export const SAVED = 'Save the input exactly as it goes into the model.';

function cureOf(from: Recipe, to: Recipe): string {
  const prepare =
    to.id === 'input-0-255'
      ? 'Divide pixels by 255 once, and then normalise them.'
      : 'Normalise with mean .485 .456 .406 and std .229 .224 .225.';
  if (to.words === from.words || to.words === IMAGENET.words) return SAVED;
  return from.words === IMAGENET.words ? prepare : `${prepare} ${SAVED}`;
}

/** Red and blue swapped before it is normalised. */
function swap(recipe: Recipe): Recipe {
  return { ...recipe, bgr: !recipe.bgr };
}

function idOf(from: Recipe, to: Recipe, bgr: boolean): string {
  if (bgr && from.words === to.words) return 'input-bgr';
  const id = to.words === IMAGENET.words ? from.id : to.id;
  return bgr ? `${id}+input-bgr` : id;
}

function recipeWords(from: Recipe, to: Recipe, bgr: boolean): string {
  if (from.words === to.words) return BGR;
  const sides = `PyTorch's images were ${to.words}, the golden file's are ${from.words}`;
  return bgr ? `${sides}; and ${BGR}` : sides;
}
