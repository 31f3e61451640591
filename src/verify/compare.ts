/** How one image's logits compare with PyTorch's. All sums are taken in float64. */
export interface ImageComparison {
  readonly image: number;
  /** Largest absolute difference of one logit. */
  readonly maxAbsoluteError: number;
  /** ‖actual − expected‖ / ‖expected‖, Euclidean norms over the logits. */
  readonly relativeError: number;
  /** Cosine of the angle between the two logit vectors. */
  readonly cosine: number;
  /** The classes with the largest logits. */
  readonly top1: { readonly expected: number; readonly actual: number };
  /** How many of the five largest logits (fewer with fewer classes) are the same class at the same rank. */
  readonly top5: { readonly agree: number; readonly of: number };
}

export interface Comparison {
  readonly images: readonly ImageComparison[];
  readonly tolerance: number;
  /** The largest relative error: the smallest tolerance that would pass. */
  readonly requiredTolerance: number;
  readonly passed: boolean;
}

/**
 * The default bound on an image's relative error, for float32.
 *
 * Two correct float32 implementations sum in different orders, so they differ. Measured on the
 * bundled checkpoint, whose random weights amplify rounding more than trained ones do: PyTorch's own
 * float32 logits lie 3e-6 to 1.5e-5 from its float64 logits, image by image, and TensorFlow.js lies
 * 5e-6 to 2.3e-5 from PyTorch. Gentle faults give more: 0.1 % of noise in one tensor 3e-4, BatchNorm
 * with PyTorch's default epsilon instead of GoogLeNet's 3e-3 to 6e-2. So 5e-5 leaves a factor of two
 * above the noise, and of six below the gentlest of these.
 */
export const DEFAULT_TOLERANCE = 5e-5;

/**
 * Compares logits `[images, numClasses]` image by image. The verdict looks at the relative error
 * alone: within the tolerance, the top class can only differ where PyTorch's two best logits are
 * closer than the error, and such a tie says nothing about the port.
 */
export function compareLogits(
  expected: Float32Array,
  actual: Float32Array,
  numClasses: number,
  tolerance: number = DEFAULT_TOLERANCE,
): Comparison {
  const count = expected.length / numClasses;
  const images = Array.from({ length: count }, (_, image) => {
    const [from, to] = [image * numClasses, (image + 1) * numClasses];
    return compareImage(image, expected.subarray(from, to), actual.subarray(from, to));
  });
  const worst = images.reduce((max, { relativeError }) => worse(max, relativeError), 0);
  return { images, tolerance, requiredTolerance: worst, passed: worst <= tolerance };
}

/** The larger of two errors, where no number at all is the worst. */
function worse(a: number, b: number): number {
  return Number.isNaN(a) || Number.isNaN(b) ? NaN : Math.max(a, b);
}

function compareImage(
  image: number,
  expected: Float32Array,
  actual: Float32Array,
): ImageComparison {
  let [difference, reference, norm, product, largest] = [0, 0, 0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    const [e, a] = [expected[i] as number, actual[i] as number];
    difference += (a - e) ** 2;
    reference += e ** 2;
    norm += a ** 2;
    product += a * e;
    largest = worse(largest, Math.abs(a - e));
  }
  const [bestExpected, bestActual] = [topK(expected, 5), topK(actual, 5)];
  return {
    image,
    maxAbsoluteError: largest,
    relativeError: difference === 0 ? 0 : Math.sqrt(difference / reference),
    cosine: reference === 0 && norm === 0 ? 1 : product / Math.sqrt(reference * norm),
    top1: { expected: bestExpected[0] as number, actual: bestActual[0] as number },
    top5: {
      agree: bestExpected.filter((index, rank) => index === bestActual[rank]).length,
      of: bestExpected.length,
    },
  };
}

/** Indices of the `k` largest values, largest first; among equals the lower index first. */
export function topK(values: Float32Array, k: number): number[] {
  const order = Array.from(values.keys());
  order.sort((a, b) => (values[b] as number) - (values[a] as number) || a - b);
  return order.slice(0, k);
}
