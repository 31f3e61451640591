import { fromHalf } from '../../numbers/half.js';
import type { NamedBytes } from '../../stored-model/artifacts.js';
import { type Stretch, stretchesOf } from '../../stored-model/spoilt-shards.js';
import type { StoredModel } from '../../stored-model/stored-model.js';

/**
 * Which order of the weight files looks most like a network's, where it is another than theirs: a tensor's
 * numbers are alike, and unlike those of the next one. It is a guess, to be tried.
 * @returns the files that are under a wrong name, each with the right one
 */
export function likelyOrder({ shards, specs }: StoredModel): ReadonlyMap<string, string> {
  const order = lastInItsPlace(shards);
  const places = stretchesOf(order, specs);
  const costs = shards.map(({ bytes }) =>
    places.map((place, i) =>
      bytes.length === order[i]?.bytes.length ? costOf(bytes, place) : Infinity,
    ),
  );
  const cost = (shard: NamedBytes, place: number) =>
    costs[shards.indexOf(shard)]?.[place] as number;
  exchange(order, cost);
  const names = shards.map(
    (shard) => [shard.name, shards[order.indexOf(shard)]?.name ?? ''] as const,
  );
  return new Map(names.filter(([name, right]) => name !== right));
}

/** Writers cut files of equal size, but for the last. */
function lastInItsPlace(shards: readonly NamedBytes[]): NamedBytes[] {
  const order = [...shards];
  const most = Math.max(...order.map(({ bytes }) => bytes.length));
  const short = order.findIndex(({ bytes }) => bytes.length < most);
  const last = order.length - 1;
  if (short >= 0) exchangeTwo(order, short, last);
  return order;
}

/** Exchanges any two for as long as that makes it more likely. */
function exchange(order: NamedBytes[], cost: (shard: NamedBytes, place: number) => number): void {
  const of = (a: number, b: number) => cost(order[a] as NamedBytes, b);
  for (let better = true; better; ) {
    better = false;
    for (let a = 0; a < order.length; a++) {
      for (let b = 0; b < a; b++) {
        if (!(of(a, b) + of(b, a) < of(a, a) + of(b, b))) continue;
        exchangeTwo(order, a, b);
        better = true;
      }
    }
  }
}

function exchangeTwo(order: NamedBytes[], a: number, b: number): void {
  [order[a], order[b]] = [order[b] as NamedBytes, order[a] as NamedBytes];
}

/** How unlike each other the numbers are that would be one tensor's: a Gaussian's likelihood, negated. */
function costOf(bytes: Uint8Array, place: readonly Stretch[]): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let cost = 0;
  for (const stretch of place) {
    const count = (stretch.end - stretch.start) / stretch.size;
    cost += (count / 2) * Math.log(varianceOf(view, stretch));
  }
  return cost;
}

const SAMPLES = 4096;
/** A tensor of zeros, as biases are before training. */
const LEAST_VARIANCE = 1e-12;
/** Corrupt numbers may be as large as they like. */
const MOST = 1e6;

function varianceOf(view: DataView, { spec, size, start, end }: Stretch): number {
  const half = spec.quantization?.dtype === 'float16';
  const step = Math.ceil((end - start) / size / SAMPLES) * size;
  let [n, sum, squares] = [0, 0, 0];
  for (let at = start; at < end; at += step) {
    const value = numberAt(view, at, size, half);
    const bounded = Number.isNaN(value) ? MOST : Math.max(-MOST, Math.min(MOST, value));
    n++;
    sum += bounded;
    squares += bounded * bounded;
  }
  return Math.max(LEAST_VARIANCE, squares / n - (sum / n) ** 2);
}

/** Integers stand for themselves: how far apart they lie is the same for every file. */
function numberAt(view: DataView, at: number, size: number, half: boolean): number {
  if (size === 1) return view.getUint8(at);
  if (size !== 2) return view.getFloat32(at, true);
  const code = view.getUint16(at, true);
  return half ? fromHalf(code) : code;
}
