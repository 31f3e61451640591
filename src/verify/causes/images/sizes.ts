import { option } from '../../../base/option.js';
import { outputSize } from '../../local/convolve.js';
import { LOCAL_GOAL } from '../../local/errors.js';
import { type ConvCase, errorOf, usualWindows } from '../../local/layer-case.js';
import { type Planes, type Position, valuesAt } from '../../local/planes.js';
import type { Explanation } from '../one-layer/explanation.js';
import { isOtherKernel } from '../one-layer/kernel-fit.js';
import { cropped, RESAMPLINGS, resized } from './resize.js';

/** Images of another size, made of the golden file's. */
export interface SizedImages {
  readonly words: string;
  readonly images: Planes;
}

const IN_BORDER = 'in a border of zeros';

/** The golden file's images brought to another size in the ways in which that is done. */
export function* sizedImages(planes: Planes, size: number): Iterable<SizedImages> {
  const { height } = planes;
  const middle = Math.round((height - size) / 2);
  const words = size < height ? 'cropped from their centre' : IN_BORDER;
  yield { words, images: cropped(planes, size, middle, middle) };
  for (const resampling of RESAMPLINGS) {
    yield { words: `resized (${resampling.words})`, images: resized(planes, size, resampling) };
  }
}

/** @param words what was done to the golden file's images; none where nobody knows */
export function sizeStory(size: number, usual: number, words: string | null) {
  const own = words === null ? ' are' : ',';
  const rest = words === null ? '' : `, ${words}`;
  return {
    id: 'input-size',
    summary: `PyTorch was given images of ${size}x${size} pixels${words === null ? ',' : ':'} the golden file's${own} of ${usual}x${usual}${rest}`,
    cure: `Save the input exactly as it goes into the model, and convert with ${option('imageSize', size)}; or give PyTorch images of ${usual}x${usual}.`,
  };
}

/** Images that are the golden file's in another size. */
export function explainSize(each: ConvCase): Explanation | undefined {
  for (const size of sizesOf(each)) {
    for (const { words, images } of sizedImages(each.input, size)) {
      const error = errorOf(each, { input: images }, LOCAL_GOAL);
      if (error <= LOCAL_GOAL) return told(each, size, words, error);
    }
  }
  return undefined;
}

/**
 * Images of which the golden file's are a part, or that are a part of those; else the size alone, where it follows
 * from what the first layer gave. No other windows nor weights may do it.
 */
export function otherSize(each: ConvCase): Explanation | undefined {
  for (const size of sizesOf(each)) {
    const part = partOf(each, size);
    if (part !== undefined) return told(each, size, part, 0);
  }
  const [size] = sizesOf(each);
  if (size === undefined || fitsOtherWindows(each)) return undefined;
  return told(each, size, null, 0);
}

function told(each: ConvCase, size: number, words: string | null, error: number): Explanation {
  const { input, block } = each;
  const { id, summary, cure } = sizeStory(size, input.height, words);
  if (words === IN_BORDER) {
    const padding = block.padding + (size - input.height) / 2;
    const same = `PyTorch's network has ${each.name} with a padding of ${padding} instead of ${block.padding}, or ${summary}, which is the same`;
    return { key: same, id: 'conv1-padding', summary: () => same, cure, error };
  }
  return { key: summary, id, nowhere: true, summary: () => summary, cure, error };
}

/** The sizes of images of which the first layer makes maps as PyTorch's; none where they are as usual. */
function sizesOf({ block, input, output }: ConvCase): number[] {
  const windows = usualWindows(block);
  if (outputSize(input.height, windows) === output.height) return [];
  const most = block.stride * output.height;
  return [most, most - 1].filter((size) => outputSize(size, windows) === output.height);
}

/** Whether some kernel with other strides and paddings gives PyTorch's maps from the golden file's images. */
function fitsOtherWindows(each: ConvCase): boolean {
  const { block, input, output } = each;
  for (const stride of [1, 2, 3, 4]) {
    for (let padding = 0; padding <= block.kernel; padding++) {
      const otherwise = { ...each, block: { ...block, stride, padding } };
      const fits = outputSize(input.height, usualWindows(otherwise.block)) === output.height;
      if (fits && isOtherKernel(otherwise) !== false) return true;
    }
  }
  return false;
}

/** Farther apart than this in size, nothing is left to compare, and the search takes long. */
const FARTHEST = 48;

/** The golden file's images as a part of PyTorch's, or the other way round, wherever it lies. */
function partOf(each: ConvCase, size: number): string | undefined {
  const { input, output, block } = each;
  const apart = size - input.height;
  if (Math.abs(apart) > FARTHEST) return undefined;
  const margin = Math.ceil((Math.max(0, apart) + block.kernel) / block.stride);
  const end = Math.floor((Math.min(size, input.height) - block.kernel) / block.stride);
  const inner = spread(output, margin, end);
  if (inner.length < 8) return undefined;
  const [few, many] = [at(each, inner.slice(0, 3)), at(each, inner)];
  for (let top = 0; top <= Math.abs(apart); top++) {
    for (let left = 0; left <= Math.abs(apart); left++) {
      const moved = (part: ConvCase) =>
        apart > 0 ? shiftedError(part, top, left) : shiftedError(part, -top, -left);
      if (moved(few) > 10 * LOCAL_GOAL || moved(many) > LOCAL_GOAL) continue;
      if (apart < 0 && !isCrop(each, size, top, left)) continue;
      const place = `from pixel ${left} of row ${top} on`;
      return apart > 0 ? `which are a part of those, ${place}` : `cropped, ${place}`;
    }
  }
  return undefined;
}

/** A crop is known whole, its edges, too. */
function isCrop(each: ConvCase, size: number, top: number, left: number): boolean {
  const input = cropped(each.input, size, top, left);
  return errorOf(each, { input }, LOCAL_GOAL) <= LOCAL_GOAL;
}

function at(each: ConvCase, positions: readonly Position[]): ConvCase {
  return { ...each, positions, expected: valuesAt(each.output, positions) };
}

/** A convolution read from other pixels, so that no image need be moved. */
export function shiftedError(each: ConvCase, dy: number, dx: number): number {
  const { stride } = each.block;
  const positions = each.positions.map(({ image, y, x }) => ({
    image,
    y: y - dy / stride,
    x: x - dx / stride,
  }));
  return errorOf({ ...each, positions });
}

/** Positions of every image, in rows and columns from one to another. */
export function spread({ images }: Planes, first: number, end: number): Position[] {
  const span = end - first;
  if (span < 1) return [];
  return Array.from({ length: 32 }, (_, i) => ({
    image: i % images,
    y: first + ((i * 7) % span),
    x: first + ((i * 5 + (i >> 2)) % span),
  }));
}
