/** Numbers of several images, `[images, columns]`, row-major. */
export interface Rows {
  readonly values: Float64Array;
  readonly images: number;
  readonly columns: number;
}

export function rowsOf(values: ArrayLike<number>, images: number): Rows {
  return { values: Float64Array.from(values), images, columns: values.length / images };
}

export function rowAt({ values, columns }: Rows, image: number): Float64Array {
  return values.subarray(image * columns, (image + 1) * columns);
}

/** ‖b − a‖ / ‖a‖; what is no number is as far as can be. */
export function distance(a: Float64Array, b: Float64Array): number {
  let [difference, norm] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    difference += ((a[i] as number) - (b[i] as number)) ** 2;
    norm += (a[i] as number) ** 2;
  }
  const error = difference === 0 ? 0 : Math.sqrt(difference / norm);
  return Number.isNaN(error) ? Infinity : error;
}

/** The largest distance of an image. */
export function worstDistance(expected: Rows, actual: Rows): number {
  return Math.max(
    ...Array.from({ length: expected.images }, (_, image) =>
      distance(rowAt(expected, image), rowAt(actual, image)),
    ),
  );
}

export function mapRows(rows: Rows, map: (row: Float64Array, image: number) => Float64Array): Rows {
  const values = new Float64Array(rows.values.length);
  for (let image = 0; image < rows.images; image++) {
    values.set(map(rowAt(rows, image), image), image * rows.columns);
  }
  return { ...rows, values };
}

export function mapValues(rows: Rows, map: (value: number) => number): Rows {
  return { ...rows, values: rows.values.map(map) };
}

/** The factor that brings one nearest to the other. */
export function fitScale(expected: Float64Array, actual: Float64Array): number {
  let [product, square] = [0, 0];
  for (let i = 0; i < actual.length; i++) {
    product += (expected[i] as number) * (actual[i] as number);
    square += (actual[i] as number) ** 2;
  }
  return product / square;
}
