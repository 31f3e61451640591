import { TORCHVISION_GOLDEN } from '../suspect.js';
import type { OutputChange } from './functions.js';
import { distance, mapRows, type Rows, rowAt } from './rows.js';

/** The same numbers in other places: classes, or images. */
export function* outputOrders(logits: Rows, expected: Rows, goal: number): Iterable<OutputChange> {
  const order = classOrder(logits, expected);
  if (order !== null) {
    yield {
      id: 'class-order',
      description: 'the classes in another order',
      summary: `PyTorch's classes are in another order than the model's: ${orderWords(order)}`,
      cure: 'Give both sides the same list of classes.',
      outputs: mapRows(logits, (row) => row.map((_, c) => row[order[c] as number] as number)),
    };
  }
  const images = imageOrder(logits, expected, goal);
  if (images !== null) yield reordered(logits, images);
}

/**
 * Which class of the model's each of PyTorch's is: by rank in the first image, and between neighbours, which
 * rounding may exchange, by what the other images say.
 */
function classOrder(logits: Rows, expected: Rows): number[] | null {
  const [ours, theirs] = [rowAt(logits, 0), rowAt(expected, 0)];
  const ranked = (row: Float64Array) =>
    Array.from(row.keys()).sort((a, b) => (row[a] as number) - (row[b] as number));
  const [from, to] = [ranked(ours), ranked(theirs)];
  const order = new Array<number>(from.length);
  for (const [rank, c] of to.entries()) {
    const near = from.slice(Math.max(0, rank - NEIGHBOURS), rank + NEIGHBOURS + 1);
    order[c] = nearestClass(logits, expected, c, near);
  }
  return order.every((d, c) => d === c) ? null : order;
}

/** How far rounding may move a class in rank. */
const NEIGHBOURS = 4;

function nearestClass(logits: Rows, expected: Rows, c: number, near: readonly number[]): number {
  const apart = (d: number) => {
    let sum = 0;
    for (let image = 0; image < expected.images; image++) {
      sum += ((rowAt(expected, image)[c] as number) - (rowAt(logits, image)[d] as number)) ** 2;
    }
    return sum;
  };
  return near.reduce((best, d) => (apart(d) < apart(best) ? d : best));
}

function orderWords(order: readonly number[]): string {
  const count = order.length;
  const shift = order[0] as number;
  if (order.every((from, c) => from === (c + shift) % count)) {
    const by = shift > count / 2 ? count - shift : shift;
    return `shifted by ${by}, class ${by === shift ? 0 : by} of PyTorch's is ${by === shift ? by : 0} of the model's`;
  }
  if (order.every((from, c) => from === count - 1 - c)) return 'reversed';
  const moved = order.flatMap((from, c) => (from === c ? [] : [c]));
  const shown = moved.slice(0, 3).map((c) => `${c} is ${order[c]}`);
  return `${moved.length} of ${count} are elsewhere; PyTorch's ${shown.join(', ')} of the model's`;
}

/** For each row of PyTorch's the image that it belongs to; null unless all are found. */
function imageOrder(logits: Rows, expected: Rows, goal: number): number[] | null {
  const order = Array.from({ length: expected.images }, (_, row) => {
    const matches = (image: number) => distance(rowAt(expected, row), rowAt(logits, image)) <= goal;
    if (matches(row)) return row;
    return Array.from({ length: logits.images }, (_, image) => image).find(matches) ?? -1;
  });
  return order.includes(-1) || order.every((image, row) => image === row) ? null : order;
}

function reordered(logits: Rows, order: readonly number[]): OutputChange {
  const twice = order.find((image, row) => order.indexOf(image) !== row);
  const wrong = order.flatMap((image, row) => (image === row ? [] : [`${row} is ${image}`]));
  return {
    id: 'image-order',
    description: 'the images in another order',
    summary:
      twice === undefined
        ? `the golden file's logits belong to its images in another order: row ${wrong.slice(0, 4).join(', ')}`
        : `the golden file's logits hold image ${twice} more than once: row ${wrong.slice(0, 4).join(', ')}`,
    cure: TORCHVISION_GOLDEN,
    outputs: mapRows(logits, (_, row) => rowAt(logits, order[row] as number)),
  };
}
