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

/** The lower half of `columns · columnsᵀ`, a tile after the other: all of it is too large for a processor's cache. */
function products(columns: readonly Float64Array[], size: number): Float64Array {
  const gram = new Float64Array(size * size);
  for (let row = 0; row < size; row += TILE) {
    for (let column = 0; column <= row; column += TILE) {
      addTile(gram, columns, size, row, column);
    }
  }
  return gram;
}

const TILE = 48;

/** Four columns in one pass. */
function addTile(
  gram: Float64Array,
  columns: readonly Float64Array[],
  size: number,
  row: number,
  column: number,
): void {
  const none = new Float64Array(size);
  const [bottom, right] = [Math.min(size, row + TILE), Math.min(size, column + TILE)];
  for (let at = 0; at < columns.length; at += 4) {
    const [a, b, c, d] = [0, 1, 2, 3].map((k) => columns[at + k] ?? none) as Four;
    for (let i = row; i < bottom; i++) {
      const [p, q, r, s] = [a[i] as number, b[i] as number, c[i] as number, d[i] as number];
      const start = i * size;
      for (let j = column; j < right; j++) {
        const two = p * (a[j] as number) + q * (b[j] as number);
        gram[start + j] =
          (gram[start + j] as number) + two + r * (c[j] as number) + s * (d[j] as number);
      }
    }
  }
}

type Four = [Float64Array, Float64Array, Float64Array, Float64Array];

/** Cholesky's factor, in place of the lower half, tile by tile; false where there is none. */
function factor(matrix: Float64Array, size: number): boolean {
  for (let top = 0; top < size; top += TILE) {
    const bottom = Math.min(size, top + TILE);
    // What these rows take from the columns before them; each of the rows above is read once for all of these.
    for (let j = 0; j < bottom; j++) {
      for (let i = Math.max(top, j); i < bottom; i++) {
        const rest = (matrix[i * size + j] as number) - dotOf(matrix, i * size, j * size, j);
        if (i === j && !(rest > 0)) return false;
        matrix[i * size + j] = i === j ? Math.sqrt(rest) : rest / (matrix[j * size + j] as number);
      }
    }
  }
  return true;
}

/** Of two rows' first numbers; four sums do not wait for each other. */
function dotOf(matrix: Float64Array, x: number, y: number, count: number): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  let k = 0;
  for (; k + 3 < count; k += 4) {
    a += (matrix[x + k] as number) * (matrix[y + k] as number);
    b += (matrix[x + k + 1] as number) * (matrix[y + k + 1] as number);
    c += (matrix[x + k + 2] as number) * (matrix[y + k + 2] as number);
    d += (matrix[x + k + 3] as number) * (matrix[y + k + 3] as number);
  }
  for (; k < count; k++) a += (matrix[x + k] as number) * (matrix[y + k] as number);
  return a + b + c + d;
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
