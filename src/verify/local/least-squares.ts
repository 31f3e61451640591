/**
 * The coefficients that bring a sum of columns nearest to `target`, by the normal equations in float64;
 * null where the columns do not determine them.
 */
export function leastSquares(
  columns: readonly Float64Array[],
  target: Float64Array,
): number[] | null {
  const matrix = columns.map((a) => [...columns.map((b) => dot(a, b)), dot(a, target)]);
  const size = columns.length;
  const largest = Math.max(...matrix.map((row, i) => row[i] as number));
  for (let pivot = 0; pivot < size; pivot++) {
    const best = bestRow(matrix, pivot);
    [matrix[pivot], matrix[best]] = [matrix[best] as number[], matrix[pivot] as number[]];
    const row = matrix[pivot] as number[];
    const divisor = row[pivot] as number;
    if (!(Math.abs(divisor) > 1e-11 * largest)) return null;
    for (let c = 0; c <= size; c++) row[c] = (row[c] as number) / divisor;
    for (const [r, other] of matrix.entries()) {
      const factor = other[pivot] as number;
      if (r === pivot || factor === 0) continue;
      for (let c = 0; c <= size; c++) {
        other[c] = (other[c] as number) - factor * (row[c] as number);
      }
    }
  }
  return matrix.map((row) => row[size] as number);
}

function bestRow(matrix: readonly (readonly number[])[], pivot: number): number {
  let best = pivot;
  for (let r = pivot; r < matrix.length; r++) {
    const [value, record] = [matrix[r]?.[pivot] ?? 0, matrix[best]?.[pivot] ?? 0];
    if (Math.abs(value) > Math.abs(record)) best = r;
  }
  return best;
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
