import { CLASSIFIER, DROPOUT } from '../../structure.js';
import type { Explanation } from '../one-layer/explanation.js';
import { findDraws } from './dropout-draws.js';
import { type LinearCase, linear } from './linear.js';
import { rowAt } from './rows.js';

/**
 * Whether what separates the classifier from PyTorch's has the size that dropout before it predicts. Each feature
 * h is dropped with probability p and else divided by 1 − p, so that the logits of an image stray by
 * p / (1 − p) · Σ h² ‖W‖² in the mean of the squares. Summed over many classes that number varies little.
 * @returns the ratio of each image
 */
export function dropoutRatios(each: LinearCase): number[] {
  const usual = linear(each);
  const columns = each.bias.length;
  const rate = DROPOUT / (1 - DROPOUT);
  const norms = squaredNorms(each.kernel, columns);
  return Array.from({ length: each.features.images }, (_, image) => {
    const [wanted, found] = [rowAt(each.expected, image), rowAt(usual, image)];
    const left = wanted.reduce((sum, value, c) => sum + (value - (found[c] as number)) ** 2, 0);
    const features = rowAt(each.features, image);
    return left / (rate * features.reduce((sum, h, f) => sum + h * h * (norms[f] as number), 0));
  });
}

function squaredNorms(kernel: Float32Array, columns: number): Float64Array {
  return Float64Array.from({ length: kernel.length / columns }, (_, f) => {
    let sum = 0;
    for (let i = f * columns; i < (f + 1) * columns; i++) sum += (kernel[i] as number) ** 2;
    return sum;
  });
}

/**
 * How many deviations the third moment of the features' shares in what is left lies below zero. Dropout's
 * draws are lopsided, −1 with probability p and else p / (1 − p), a skewness of −1.5; what any other
 * change of the classifier or of the layers before leaves has none.
 */
export function dropoutSkew(each: LinearCase): number {
  const usual = linear(each);
  const columns = each.bias.length;
  const norms = squaredNorms(each.kernel, columns);
  let [cubes, variance] = [0, 0];
  for (let image = 0; image < each.features.images; image++) {
    const [wanted, found] = [rowAt(each.expected, image), rowAt(usual, image)];
    const left = wanted.map((value, c) => value - (found[c] as number));
    const features = rowAt(each.features, image);
    const shares = norms.map((norm, f) => {
      const row = each.kernel.subarray(f * columns, (f + 1) * columns);
      return left.reduce((sum, value, c) => sum + value * (row[c] as number), 0) / (norm || 1);
    });
    const rate = DROPOUT / (1 - DROPOUT);
    const noise = (rate * features.reduce((sum, h) => sum + h * h, 0)) / columns;
    for (const [f, share] of shares.entries()) {
      cubes += share ** 3;
      variance += 15 * (rate * (features[f] as number) ** 2 + noise) ** 3;
    }
  }
  return -cubes / Math.sqrt(variance);
}

/** What is known about a dropout before the classifier. */
export interface Dropout {
  readonly story: Omit<Explanation, 'error'>;
  /** What is left of the first image's error once its draws are known; null where they are not. */
  readonly error: number | null;
}

/**
 * Whether dropout explains what separates the logits from PyTorch's: with enough classes its draws
 * are found, and close the gap. With fewer, or where rounding in the layers before hides them, it must have
 * the size that p = 0.2 predicts, which varies the more the fewer classes there are.
 * @param clear whether the layers before it are known to be right, so that the size can tell
 */
export function findDropout(each: LinearCase, clear: boolean): Dropout | null {
  const ratios = dropoutRatios(each);
  // Probabilities from 0.05 to 0.7 in units of that of 0.2, with room for chance.
  if (ratios.some((ratio) => !(ratio > 0.1 && ratio < 20))) return null;
  const draws = findDraws(each, 0);
  if (draws !== null) return { story: dropoutStory(draws.rate), error: draws.error };
  const columns = each.bias.length;
  if (!clear) return null;
  const mean = ratios.reduce((a, b) => a + b, 0) / ratios.length;
  const spread = 4 * Math.sqrt(2 / (columns * ratios.length));
  const fits =
    Math.abs(mean - 1) < Math.min(0.6, spread) && (columns < 200 || dropoutSkew(each) > 2);
  return fits ? { story: dropoutStory(DROPOUT), error: null } : null;
}

function dropoutStory(rate: number): Omit<Explanation, 'error'> {
  const words = rate === DROPOUT ? '' : ` with p = ${rate}`;
  return {
    key: 'dropout',
    id: 'training-mode',
    summary: () =>
      `the golden file was made with dropout${words} before ${CLASSIFIER}, as in training mode`,
    cure: 'Call model.eval() in PyTorch before the golden file is made.',
  };
}
