import { denseTensor } from '../../src/checkpoint/tensor/dense-tensor.js';
import type { StateDict } from '../../src/checkpoint/tensor/tensor.js';
import { buildNetwork, type TrainableOptions } from '../../src/describe-model.js';
import { stateDictEntries } from '../../src/network/keys.js';

/** The weights, images and patterns of golden/hashed.py, number for number. */

/** 32 bits out of two integers. */
export function mix(seed: number, index: number): number {
  let z = (seed + Math.imul(index + 1, 0x9e3779b9)) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) >>> 0;
}

export function mixText(seed: number, text: string): number {
  return [...text].reduce((mixed, character) => mix(mixed, character.charCodeAt(0)), seed);
}

/** What a network was drawn with: its seed, how often each row of its kernels was, and its statistics. */
export interface Drawn {
  readonly seed: number;
  readonly draws: Float32Array;
  readonly means: Float32Array;
  readonly variances: Float32Array;
}

/** The state dict that torch had at first. */
export function drawStateDict(drawn: Drawn, options: TrainableOptions): StateDict {
  const [draws, means, variances] = [drawn.draws, drawn.means, drawn.variances].map(taker);
  let norms = 0;
  const values = (key: string, shape: readonly number[], numel: number) => {
    const rows = shape[0] as number;
    if (key.endsWith('.running_mean')) return means?.(rows);
    if (key.endsWith('.running_var')) return variances?.(rows);
    const redrawn = /\.(conv|fc1)\.weight$/.test(key) ? draws?.(rows) : new Float32Array(rows);
    return drawParameter(drawn.seed, key, redrawn as Float32Array, numel / rows);
  };
  return new Map(
    [...stateDictEntries(buildNetwork(options))].map(([key, { dtype, shape }]) => {
      const numel = shape.reduce((a, b) => a * b, 1);
      const data =
        dtype === 'int64' ? BigInt64Array.of(BigInt(1000 + norms++)) : values(key, shape, numel);
      return [key, denseTensor(dtype, shape, data as ArrayBufferView)];
    }),
  );
}

/** Hands out one part after the other. */
function taker(all: Float32Array): (length: number) => Float32Array {
  let at = 0;
  return (length) => {
    at += length;
    return all.subarray(at - length, at);
  };
}

function drawParameter(
  seed: number,
  key: string,
  draws: Float32Array,
  columns: number,
): Float32Array {
  const values = uniform(mixText(seed, key), draws, columns);
  const scale = key.endsWith('weight') && !key.includes('.bn.') ? Math.sqrt(6 / columns) : 0.5;
  const middle = key.endsWith('.bn.weight') ? 1 : key.endsWith('.bn.bias') ? 0.5 : 0;
  return scaled(values, scale, middle);
}

/** A loop, since `Float32Array.from` takes thirty times as long. */
function scaled(values: Float64Array, scale: number, middle: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let i = 0; i < out.length; i++) out[i] = (values[i] as number) * scale + middle;
  return out;
}

/** Numbers from -1 to 1, a row for each of `draws`. */
export function uniform(seed: number, draws: Float32Array, columns: number): Float64Array {
  const values = new Float64Array(draws.length * columns);
  for (const [row, draw] of draws.entries()) {
    const rowSeed = mix(mix(seed, draw), row);
    for (let column = 0; column < columns; column++) {
      values[row * columns + column] = mix(rowSeed, column) / 2 ** 31 - 1;
    }
  }
  return values;
}

/** A batch of images, NCHW `[count, 3, imageSize, imageSize]`, and the labels. */
export function drawBatch(
  seed: number,
  batch: number,
  { count, imageSize, numClasses }: Readonly<Record<'count' | 'imageSize' | 'numClasses', number>>,
): { readonly images: Float32Array; readonly labels: Float32Array } {
  const draws = new Float32Array(count).fill(batch);
  const pixels = uniform(mixText(seed, 'images'), draws, 3 * imageSize ** 2);
  const labelSeed = mix(mixText(seed, 'labels'), batch);
  const labels = draws.map((_, image) => mix(labelSeed, image) % numClasses);
  return { images: Float32Array.from(pixels, (value) => 2 * value), labels };
}

/**
 * Products of a tensor with patterns of -1 and 1: the mean of their squares is about the squared norm of the
 * tensor, of 16 patterns within a third.
 */
export function project(key: string, values: Float32Array, patterns: number): Float64Array {
  const seed = mixText(0, key);
  // Values with the same bits in half of the patterns are added first, which takes an eighth of the time.
  const half = Math.ceil(patterns / 2);
  const [low, high] = [new Float64Array(2 ** half), new Float64Array(2 ** half)];
  const mask = 2 ** half - 1;
  for (let i = 0; i < values.length; i++) {
    const bits = mix(seed, i);
    const [l, h] = [bits & mask, (bits >>> half) & mask];
    low[l] = (low[l] as number) + (values[i] as number);
    high[h] = (high[h] as number) + (values[i] as number);
  }
  return Float64Array.from({ length: patterns }, (_, p) =>
    p < half ? signedSum(low, p) : signedSum(high, p - half),
  );
}

/** The sum of what lies at indices with a bit, less that of the others. */
function signedSum(sums: Float64Array, bit: number): number {
  return sums.reduce((total, sum, index) => total + ((index >>> bit) & 1 ? sum : -sum), 0);
}
