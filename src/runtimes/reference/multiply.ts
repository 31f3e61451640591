/**
 * Sums of products: the one loop in which the reference spends its time. Four pixels of two output channels are
 * summed at once, so that no sum waits for the one before it.
 */

export type Floats = Float32Array | Float64Array;

/** What is multiplied. */
export interface Product {
  /** `[rows, depth]`, an even number of rows. */
  readonly weights: Floats;
  /** `[pixels / 4, depth, 4]`: a tile for every four pixels, the last one filled up. */
  readonly columns: Floats;
  readonly rows: number;
  readonly depth: number;
  readonly pixels: number;
}

/** Told each sum: of a row of the weights and a pixel. */
type OnSums = (row: number, pixel: number, sums: Floats) => void;

/** In float64. `sums` holds four pixels of the row, then four of the next row. */
export function multiply64({ weights, columns, rows, depth, pixels }: Product, onSums: OnSums) {
  const sums = new Float64Array(8);
  for (let pixel = 0; pixel < pixels; pixel += 4) {
    for (let row = 0; row < rows; row += 2) {
      let [a0, a1, a2, a3, b0, b1, b2, b3] = [0, 0, 0, 0, 0, 0, 0, 0];
      let at = pixel * depth;
      const end = (row + 1) * depth;
      for (let k = row * depth; k < end; k++) {
        const a = weights[k] as number;
        const b = weights[k + depth] as number;
        const x0 = columns[at] as number;
        const x1 = columns[at + 1] as number;
        const x2 = columns[at + 2] as number;
        const x3 = columns[at + 3] as number;
        a0 += a * x0;
        a1 += a * x1;
        a2 += a * x2;
        a3 += a * x3;
        b0 += b * x0;
        b1 += b * x1;
        b2 += b * x2;
        b3 += b * x3;
        at += 4;
      }
      sums[0] = a0;
      sums[1] = a1;
      sums[2] = a2;
      sums[3] = a3;
      sums[4] = b0;
      sums[5] = b1;
      sums[6] = b2;
      sums[7] = b3;
      onSums(row, pixel, sums);
    }
  }
}

/** The same with every sum rounded to float32, once for a product and its addition, as processors with FMA do. */
export function multiply32({ weights, columns, rows, depth, pixels }: Product, onSums: OnSums) {
  const round = Math.fround;
  const sums = new Float32Array(8);
  for (let pixel = 0; pixel < pixels; pixel += 4) {
    for (let row = 0; row < rows; row += 2) {
      let [a0, a1, a2, a3, b0, b1, b2, b3] = [0, 0, 0, 0, 0, 0, 0, 0];
      let at = pixel * depth;
      const end = (row + 1) * depth;
      for (let k = row * depth; k < end; k++) {
        const a = weights[k] as number;
        const b = weights[k + depth] as number;
        const x0 = columns[at] as number;
        const x1 = columns[at + 1] as number;
        const x2 = columns[at + 2] as number;
        const x3 = columns[at + 3] as number;
        a0 = round(a0 + a * x0);
        a1 = round(a1 + a * x1);
        a2 = round(a2 + a * x2);
        a3 = round(a3 + a * x3);
        b0 = round(b0 + b * x0);
        b1 = round(b1 + b * x1);
        b2 = round(b2 + b * x2);
        b3 = round(b3 + b * x3);
        at += 4;
      }
      sums[0] = a0;
      sums[1] = a1;
      sums[2] = a2;
      sums[3] = a3;
      sums[4] = b0;
      sums[5] = b1;
      sums[6] = b2;
      sums[7] = b3;
      onSums(row, pixel, sums);
    }
  }
}
