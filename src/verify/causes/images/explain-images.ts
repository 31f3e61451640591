import { toNCHW, toNHWC } from '../../../numbers/layout.js';
import { outputSize } from '../../local/convolve.js';
import { channelError, LOCAL_GOAL } from '../../local/errors.js';
import {
  activated,
  type ConvCase,
  convolved,
  errorOf,
  usualWindows,
} from '../../local/layer-case.js';
import { type Planes, type Position, reorderImages, valuesAt } from '../../local/planes.js';
import { BFLOAT16, FLOAT16 } from '../../rounding.js';
import type { Explanation } from '../one-layer/explanation.js';
import { FEW_TAPS, isOtherKernel } from '../one-layer/kernel-fit.js';
import { TORCHVISION_GOLDEN } from '../suspect.js';
import { colourStory, fitColours, type Range, SAVED } from './colours.js';
import { MOVES, rolled, shifted, shiftWords } from './moves.js';
import { BYTES, between, type Colours, colourRanges, IMAGENET, recoloured } from './recipes.js';
import { explainSize, otherSize, shiftedError, spread } from './sizes.js';
import { blurredImages, eightBits, isOfSize, roundedImages } from './whole-numbers.js';

/**
 * Which images PyTorch's first convolution saw, from what it gave: the golden file's in other colours,
 * another position, another order.
 */
export function explainImages(
  each: ConvCase,
  ranges: readonly Range[],
  transformInput: boolean,
): Explanation | undefined {
  // Where they are what the golden file holds, those of the images in question tell more than those of all.
  const own = transformInput ? ranges : rangesOf(each);
  const tell = (colours: Colours) => colourStory(colours, own, transformInput);
  return (
    explainSize(each) ??
    exact(each) ??
    inColours(each, each.input, '', tell) ??
    movedColours(each, tell) ??
    roundedColours(each, tell) ??
    exactShift(each)
  );
}

function rangesOf({ input, positions }: ConvCase): Range[] {
  const seen = [...new Set(positions.map(({ image }) => image))];
  const { data } = reorderImages(input, seen);
  return colourRanges(data, [seen.length, 3, input.height, input.width]);
}

type Tell = (colours: Colours) => { id: string; words: string; cure?: string };

function story(id: string, words: string, error: number): Explanation {
  return { key: words, id, nowhere: true, summary: () => words, cure: SAVED, error };
}

function exact(each: ConvCase): Explanation | undefined {
  for (const { id, words, input, cure = SAVED } of candidates(each.input)) {
    const error = errorOf(each, { input }, LOCAL_GOAL);
    if (error <= LOCAL_GOAL) return { ...story(id, words, error), cure };
  }
  return imageOrder(each);
}

interface Candidate {
  readonly id: string;
  readonly words: string;
  readonly input: Planes;
  readonly cure?: string;
}

function* candidates(input: Planes): Iterable<Candidate> {
  for (const { id, words, apply } of MOVES) yield { id, words, input: apply(input) };
  yield* layouts(input);
  for (const { name, round } of [FLOAT16, BFLOAT16]) {
    const words = `PyTorch was given the images rounded to ${name}`;
    yield { id: `precision-${name}`, words, input: { ...input, data: round(input.data) } };
  }
  for (const { data, ...rest } of roundedImages(input))
    yield { ...rest, input: { ...input, data } };
  const [low, high] = [Math.min, Math.max];
  for (const [from, to] of [
    [-1, 1],
    [0, 1],
    [-2, 2],
    [0, Infinity],
  ] as const) {
    const data = input.data.map((value) => low(to, high(from, value)));
    const words = `PyTorch was given the images clamped to ${from} to ${to === Infinity ? 'any' : to}`;
    yield { id: 'input-clamped', words, input: { ...input, data } };
  }
  const zero = { ...input, data: new Float32Array(input.data.length) };
  yield { id: 'input-other', words: 'PyTorch was given images of zeros', input: zero };
}

function* layouts(input: Planes): Iterable<Candidate> {
  const { images, height, width, data } = input;
  const words = 'the layouts are mixed up: channels first (NCHW) read as channels last (NHWC)';
  const rest = { id: 'input-layout', words };
  yield { ...rest, input: { ...input, data: toNCHW(data, [images, height, width, 3]) } };
  yield { ...rest, input: { ...input, data: toNHWC(data, [images, 3, height, width]) } };
}

/** Each image's output held against what every image would give. */
function imageOrder(each: ConvCase): Explanation | undefined {
  const { images } = each.input;
  const order = Array.from({ length: images }, (_, row) => {
    const part = ofImages(each, [row]);
    return Array.from({ length: images }, (_, image) => (row + image) % images).find((image) => {
      const input = reorderImages(each.input, new Array<number>(images).fill(image));
      return errorOf(part, { input }, LOCAL_GOAL) <= LOCAL_GOAL;
    });
  });
  const wrong = order.flatMap((image, row) => (image === row ? [] : [`${row} is ${image}`]));
  const seen = new Set(each.positions.map(({ image }) => image));
  if (wrong.length === 0 || [...seen].some((row) => order[row] === undefined)) return undefined;
  const words = `PyTorch was given the images in another order than the golden file holds them: ${wrong.slice(0, 4).join(', ')}`;
  return story('image-order', words, 0);
}

/** The same layer, judged by some of the images alone. */
export function ofImages(each: ConvCase, images: readonly number[]): ConvCase {
  const positions = each.positions.filter(({ image }) => images.includes(image));
  return at(each, positions);
}

function at(each: ConvCase, positions: readonly Position[]): ConvCase {
  return { ...each, positions, expected: valuesAt(each.output, positions) };
}

function inColours(
  each: ConvCase,
  input: Planes,
  move: string,
  tell: Tell,
): Explanation | undefined {
  const colours = fitColours(each, input);
  if (colours === null) return undefined;
  const { id, words, cure = SAVED } = tell(colours);
  const all = move === '' ? words : `${move}; and ${words}`;
  return { ...story(id, all, LOCAL_GOAL), cure };
}

function movedColours(each: ConvCase, tell: Tell): Explanation | undefined {
  const all = [
    ...MOVES.map((move) => ({ ...move, input: move.apply(each.input) })),
    ...layouts(each.input),
  ];
  for (const { id, words, input } of all) {
    const found = inColours(each, input, words, tell);
    if (found !== undefined) return { ...found, id };
  }
  return undefined;
}

/** Whole pixels, prepared in any way. */
function roundedColours(each: ConvCase, tell: Tell): Explanation | undefined {
  for (const [what, bytes] of eightBits(each.input)) {
    const data = recoloured({ ...each.input, data: bytes }, between(BYTES, IMAGENET));
    const words = `PyTorch was given the images ${what}`;
    const found = inColours(each, { ...each.input, data }, words, tell);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What the golden file lost of the images leaves an error of the size that as much noise has. */
function blurred(each: ConvCase): Explanation | undefined {
  for (const { id, words, cure, data, strayed } of blurredImages(each.input)) {
    const [near, far] = [data, strayed].map((values) =>
      activated(convolved(each, { input: { ...each.input, data: values } }), each),
    ) as [Float64Array, Float64Array];
    const error = channelError(each.expected, near, each.channels);
    const lost = channelError(near, far, each.channels);
    if (lost < MOST_LOST && isOfSize(error, lost)) return { ...story(id, words, error), cure };
  }
  return undefined;
}

/** More than this would be noise, of which everything has the size. */
const MOST_LOST = 1;

/** Farther than this an image is no longer the same crop. */
const FARTHEST = 16;

/** The images rolled, or shifted with the gap filled. */
function exactShift(each: ConvCase): Explanation | undefined {
  const found = nearestShift(each);
  if (found === undefined) return undefined;
  const [dy, dx] = found;
  const words = `PyTorch was given the images shifted by ${shiftWords(dy, dx)}`;
  const roll = errorOf(each, { input: rolled(each.input, dy, dx) });
  if (roll <= LOCAL_GOAL) return story('input-shifted', `${words} (rolled)`, roll);
  for (const edge of ['zeros', 'repeated'] as const) {
    const error = errorOf(each, { input: shifted(each.input, dy, dx, edge) }, LOCAL_GOAL);
    if (error <= LOCAL_GOAL) return story('input-shifted', words, error);
  }
  return undefined;
}

/** Images that the golden file does not hold whole, where nothing else explains the layer. */
export function lostImages(each: ConvCase): Explanation | undefined {
  return (
    shiftedImages(each) ??
    otherSize(each) ??
    (isOtherKernel(each, FEW_TAPS, true) === true ? undefined : blurred(each))
  );
}

/** What lay beyond the edge is not in the golden file: the pixels that are agree, when they are shifted. */
function shiftedImages(each: ConvCase): Explanation | undefined {
  const found = nearestShift(each);
  if (found === undefined) return undefined;
  const words = `PyTorch was given the images shifted by ${shiftWords(...found)}, as by another crop`;
  return { ...story('input-shifted', words, 0), cure: TORCHVISION_GOLDEN };
}

function nearestShift(each: ConvCase): readonly [number, number] | undefined {
  const { input, output } = each;
  const reach = Math.min(FARTHEST, Math.floor(input.height / 4));
  const { kernel, stride } = each.block;
  const margin = Math.ceil((reach + kernel) / stride);
  if (outputSize(input.height, usualWindows(each.block)) !== output.height) return undefined;
  const inner = spread(output, margin, Math.min(output.height, output.width) - margin);
  if (inner.length < 8 || output.height < 4) return undefined;
  const [few, many] = [at(each, inner.slice(0, 3)), at(each, inner)];
  for (let distance = 1; distance <= reach; distance++) {
    for (const [dy, dx] of ring(distance)) {
      const moved = (part: ConvCase) => shiftedError(part, dy, dx);
      if (moved(few) <= 10 * LOCAL_GOAL && moved(many) <= LOCAL_GOAL) return [dy, dx];
    }
  }
  return undefined;
}

/** Shifts of one size, the straight ones first. */
function ring(distance: number): (readonly [number, number])[] {
  const all: [number, number][] = [];
  for (let dy = -distance; dy <= distance; dy++) {
    for (let dx = -distance; dx <= distance; dx++) {
      if (Math.max(Math.abs(dy), Math.abs(dx)) === distance) all.push([dy, dx]);
    }
  }
  return all.sort(([a, b], [c, d]) => Math.abs(a) + Math.abs(b) - Math.abs(c) - Math.abs(d));
}
