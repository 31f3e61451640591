import { topK } from '../numbers/logits.js';
import type { Tolerance } from './tolerance.js';

/** How one image's logits compare with PyTorch's. All sums are taken in float64. */
export interface ImageComparison {
  readonly image: number;
  /** Largest absolute difference of one logit. */
  readonly maxAbsoluteError: number;
  /** ‖actual − expected‖ / ‖expected‖, Euclidean norms over the logits. */
  readonly relativeError: number;
  /** Cosine of the angle between the two logit vectors. */
  readonly cosine: number;
  /** The classes with the five largest logits (fewer with fewer classes), largest first. */
  readonly top5: { readonly expected: readonly number[]; readonly actual: readonly number[] };
  /** PyTorch's largest logit minus its second; infinite with a single class. */
  readonly margin: number;
  /**
   * The top class agrees, but PyTorch's margin is smaller than the error: the next image, or the next
   * backend, may well disagree.
   */
  readonly luckyTop1: boolean;
  readonly passed: boolean;
}

export interface Comparison {
  readonly images: readonly ImageComparison[];
  readonly tolerance: Tolerance;
  /** The smallest bounds that would pass, each on its own. */
  readonly required: { readonly rtol: number; readonly atol: number };
  readonly passed: boolean;
}

/** Compares logits `[images, numClasses]` with PyTorch's, image by image. */
export function compareLogits(
  expected: Float32Array,
  actual: Float32Array,
  numClasses: number,
  tolerance: Tolerance,
): Comparison {
  const count = expected.length / numClasses;
  const images = Array.from({ length: count }, (_, image) => {
    const [from, to] = [image * numClasses, (image + 1) * numClasses];
    const rows = [expected.subarray(from, to), actual.subarray(from, to)] as const;
    return compareImage(image, ...rows, tolerance);
  });
  const largest = (pick: (image: ImageComparison) => number) =>
    images.reduce((max, image) => worse(max, pick(image)), 0);
  return {
    images,
    tolerance,
    required: {
      rtol: largest(({ relativeError }) => relativeError),
      atol: largest(({ maxAbsoluteError }) => maxAbsoluteError),
    },
    passed: images.every(({ passed }) => passed),
  };
}

function compareImage(
  image: number,
  expected: Float32Array,
  actual: Float32Array,
  tolerance: Tolerance,
): ImageComparison {
  const errors = measureErrors(expected, actual);
  const { maxAbsoluteError } = errors;
  const top5 = { expected: topK(expected, 5), actual: topK(actual, 5) };
  const [first, second] = top5.expected.map((index) => expected[index] as number);
  const margin = second === undefined ? Infinity : (first as number) - second;
  const sameTop1 = top5.expected[0] === top5.actual[0];
  return {
    image,
    ...errors,
    top5,
    margin,
    luckyTop1: sameTop1 && !(margin > maxAbsoluteError),
    passed: withinTolerance(errors, tolerance) && (sameTop1 || !tolerance.top1),
  };
}

function withinTolerance({ relativeError, maxAbsoluteError }: Errors, tolerance: Tolerance) {
  // A bound of null is none, but no bound lets through what is no number.
  return (
    relativeError <= (tolerance.rtol ?? Infinity) &&
    maxAbsoluteError <= (tolerance.atol ?? Infinity)
  );
}

/** How far one vector lies from another. */
export interface Errors {
  readonly maxAbsoluteError: number;
  readonly relativeError: number;
  readonly cosine: number;
}

/** Compares two vectors of one length; NaN anywhere makes every error NaN. */
export function measureErrors(expected: Float32Array, actual: Float32Array): Errors {
  let [difference, reference, norm, product, largest] = [0, 0, 0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    const [e, a] = [expected[i] as number, actual[i] as number];
    difference += (a - e) ** 2;
    reference += e ** 2;
    norm += a ** 2;
    product += a * e;
    largest = worse(largest, Math.abs(a - e));
  }
  return {
    maxAbsoluteError: largest,
    relativeError: difference === 0 ? 0 : Math.sqrt(difference / reference),
    cosine: reference === 0 && norm === 0 ? 1 : product / Math.sqrt(reference * norm),
  };
}

/** The larger of two errors, where no number at all is the worst. */
function worse(a: number, b: number): number {
  return Number.isNaN(a) || Number.isNaN(b) ? NaN : Math.max(a, b);
}
