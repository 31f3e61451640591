import type { Planes } from '../../local/planes.js';

/** A way in which PyTorch's `interpolate` makes images larger or smaller. */
export interface Resampling {
  readonly words: string;
  /** For each pixel of the result, the pixels it is made of and their weights. */
  readonly taps: (from: number, to: number, i: number) => readonly Tap[];
}

type Tap = readonly [pixel: number, weight: number];

/** Source: ATen/native/UpSample.h and UpSampleKernel.cpp; those with antialias as in Pillow. */
export const RESAMPLINGS: readonly Resampling[] = [
  { words: 'bilinear', taps: (from, to, i) => between(from, Math.max(0, centre(from, to, i))) },
  { words: 'bilinear with antialias', taps: smoothed(1, triangle) },
  { words: 'bicubic', taps: (from, to, i) => cubic(from, centre(from, to, i)) },
  { words: 'bicubic with antialias', taps: smoothed(2, (x) => bicubic(x, -0.5)) },
  { words: 'nearest', taps: (from, to, i) => [[Math.floor((i * from) / to), 1]] },
  {
    words: 'bilinear with align_corners',
    taps: (from, to, i) => between(from, (i * (from - 1)) / Math.max(1, to - 1)),
  },
];

/** Where the middle of a pixel lies among those that it is made of. */
function centre(from: number, to: number, i: number): number {
  return ((i + 0.5) * from) / to - 0.5;
}

function between(from: number, at: number): Tap[] {
  const low = Math.min(from - 1, Math.floor(at));
  const rest = at - low;
  return [
    [low, 1 - rest],
    [Math.min(from - 1, low + 1), rest],
  ];
}

function cubic(from: number, at: number): Tap[] {
  const low = Math.floor(at);
  return [-1, 0, 1, 2].map((step): Tap => {
    const pixel = Math.min(from - 1, Math.max(0, low + step));
    return [pixel, bicubic(at - low - step, -0.75)];
  });
}

function bicubic(distance: number, a: number): number {
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

function triangle(distance: number): number {
  return Math.max(0, 1 - Math.abs(distance));
}

/** The filter is as wide as the pixels of the result are. */
function smoothed(support: number, filter: (distance: number) => number): Resampling['taps'] {
  return (from, to, i) => {
    const width = Math.max(1, from / to);
    const middle = ((i + 0.5) * from) / to;
    const first = Math.max(0, Math.floor(middle - support * width + 0.5));
    const end = Math.min(from, Math.floor(middle + support * width + 0.5));
    const taps = Array.from({ length: end - first }, (_, k): Tap => {
      const pixel = first + k;
      return [pixel, filter((pixel - middle + 0.5) / width)];
    });
    const sum = taps.reduce((all, [, weight]) => all + weight, 0);
    return taps.map(([pixel, weight]) => [pixel, weight / sum]);
  };
}

/** Square images in another size. */
export function resized(planes: Planes, size: number, { taps }: Resampling): Planes {
  const { data, images, channels, height, width } = planes;
  const count = images * channels;
  const rows = Array.from({ length: size }, (_, y) => taps(height, size, y));
  const columns = Array.from({ length: size }, (_, x) => taps(width, size, x));
  const out = new Float32Array(count * size * size);
  const middle = new Float64Array(height * size);
  for (let plane = 0; plane < count; plane++) {
    const start = plane * height * width;
    for (let y = 0; y < height; y++) {
      for (const [x, all] of columns.entries()) {
        middle[y * size + x] = total(all, (at) => data[start + y * width + at] as number);
      }
    }
    for (const [y, all] of rows.entries()) {
      for (let x = 0; x < size; x++) {
        out[(plane * size + y) * size + x] = total(all, (at) => middle[at * size + x] as number);
      }
    }
  }
  return { data: out, images, channels, height: size, width: size };
}

function total(taps: readonly Tap[], value: (pixel: number) => number): number {
  let sum = 0;
  for (const [pixel, weight] of taps) sum += weight * value(pixel);
  return sum;
}

/** The part of square images that starts at a pixel; beyond their edge there are zeros. */
export function cropped(planes: Planes, size: number, top: number, left: number): Planes {
  const { data, images, channels, height, width } = planes;
  const out = new Float32Array(images * channels * size * size);
  for (let plane = 0; plane < images * channels; plane++) {
    for (let y = Math.max(0, -top); y < Math.min(size, height - top); y++) {
      const from = (plane * height + y + top) * width + left;
      const [first, end] = [Math.max(0, -left), Math.min(size, width - left)];
      out.set(data.subarray(from + first, from + end), (plane * size + y) * size + first);
    }
  }
  return { data: out, images, channels, height: size, width: size };
}
