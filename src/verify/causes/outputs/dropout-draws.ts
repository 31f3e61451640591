import { type LinearCase, linear } from './linear.js';
import { distance, rowAt } from './rows.js';

/** The probabilities that people use. */
const RATES = [0.2, 0.5, 0.4, 0.3, 0.1, 0.25, 0.6, 0.7, 0.15, 0.05];

/** What is left once the draws are known is rounding, and a feature or two that hardly counts. */
const GOAL = 2e-3;

/** A dropout whose draws were found. */
export interface Draws {
  readonly rate: number;
  /** What they leave of the image's error. */
  readonly error: number;
}

/**
 * Finds which features dropout took from one image: each is gone or divided by 1 − p, and with about as
 * many classes as features the logits tell which. Null where no draws explain them.
 */
export function findDraws(each: LinearCase, image: number): Draws | null {
  const features = rowAt(each.features, image);
  const alive = Array.from(features.keys()).filter((f) => (features[f] as number) !== 0);
  if (each.bias.length < 0.9 * alive.length) return null;
  const columns = scaledColumns(each, features, alive);
  const [wanted, usual] = [rowAt(each.expected, image), rowAt(linear(each), image)];
  const left = wanted.map((value, c) => value - (usual[c] as number));
  const shares = smallestSolution(columns, left);
  if (shares === null) return null;
  for (const rate of RATES) {
    const kept = rate / (1 - rate);
    const output = usual.slice();
    for (const [i, share] of shares.entries()) {
      const draw = share < (kept - 1) / 2 ? -1 : kept;
      const column = columns[i] as Float64Array;
      for (let c = 0; c < output.length; c++) {
        output[c] = (output[c] as number) + draw * (column[c] as number);
      }
    }
    const error = distance(wanted, output);
    if (error <= GOAL) return { rate, error };
  }
  return null;
}

/** What each feature adds to each logit. */
function scaledColumns(
  { kernel, bias }: LinearCase,
  features: Float64Array,
  alive: readonly number[],
): Float64Array[] {
  const length = bias.length;
  return alive.map((f) =>
    Float64Array.from(
      kernel.subarray(f * length, (f + 1) * length),
      (weight) => weight * (features[f] as number),
    ),
  );
}

/** The shares of least size whose sum of columns is the target, by Cholesky of the columns' products. */
function smallestSolution(
  columns: readonly Float64Array[],
  target: Float64Array,
): Float64Array | null {
  const size = target.length;
  const gram = products(columns, size);
  let trace = 0;
  for (let i = 0; i < size; i++) trace += gram[i * size + i] as number;
  for (let i = 0; i < size; i++)
    gram[i * size + i] = (gram[i * size + i] as number) + (1e-9 * trace) / size;
  if (!factor(gram, size)) return null;
  const y = solve(gram, size, target);
  return Float64Array.from(columns, (column) => {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += (column[i] as number) * (y[i] as number);
    return sum;
  });
}

/** The lower half of `columns · columnsᵀ`. */
function products(columns: readonly Float64Array[], size: number): Float64Array {
  const gram = new Float64Array(size * size);
  for (const column of columns) {
    for (let i = 0; i < size; i++) {
      const value = column[i] as number;
      const row = i * size;
      for (let j = 0; j <= i; j++) {
        gram[row + j] = (gram[row + j] as number) + value * (column[j] as number);
      }
    }
  }
  return gram;
}

/** Cholesky's factor, in place of the lower half; false where there is none. */
function factor(matrix: Float64Array, size: number): boolean {
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * size + j] as number;
      for (let k = 0; k < j; k++) {
        sum -= (matrix[i * size + k] as number) * (matrix[j * size + k] as number);
      }
      if (i === j && !(sum > 0)) return false;
      matrix[i * size + j] = i === j ? Math.sqrt(sum) : sum / (matrix[j * size + j] as number);
    }
  }
  return true;
}

function solve(lower: Float64Array, size: number, target: Float64Array): Float64Array {
  const y = target.slice();
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < i; k++) {
      y[i] = (y[i] as number) - (lower[i * size + k] as number) * (y[k] as number);
    }
    y[i] = (y[i] as number) / (lower[i * size + i] as number);
  }
  for (let i = size - 1; i >= 0; i--) {
    for (let k = i + 1; k < size; k++) {
      y[i] = (y[i] as number) - (lower[k * size + i] as number) * (y[k] as number);
    }
    y[i] = (y[i] as number) / (lower[i * size + i] as number);
  }
  return y;
}
