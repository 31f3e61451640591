import type { Planes } from '../../local/planes.js';

/** A way in which images come to lie otherwise. */
export interface Move {
  readonly id: string;
  readonly words: string;
  readonly apply: (planes: Planes) => Planes;
}

/** The pixel `[y, x]` of what comes out, taken from where `at` says in what goes in. */
function moved({ data, ...size }: Planes, at: (y: number, x: number) => number): Planes {
  const { height, width } = size;
  const out = new Float32Array(data.length);
  for (let plane = 0; plane < data.length; plane += height * width) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) out[plane + y * width + x] = data[plane + at(y, x)] as number;
    }
  }
  return { data: out, ...size };
}

type At = (n: number, y: number, x: number) => number;

function whole(id: string, words: string, at: At): Move {
  return { id, words, apply: (planes) => moved(planes, (y, x) => at(planes.height, y, x)) };
}

/** Turns and mirrors of square images. */
export const MOVES: readonly Move[] = [
  whole('input-mirrored', 'the images are mirrored', (n, y, x) => y * n + n - 1 - x),
  whole('input-upside-down', 'the images are upside down', (n, y, x) => (n - 1 - y) * n + x),
  whole('input-transposed', 'height and width of the images are swapped', (n, y, x) => x * n + y),
  whole(
    'input-turned',
    'the images are turned by 180 degrees',
    (n, y, x) => (n - 1 - y) * n + n - 1 - x,
  ),
  whole('input-turned', 'the images are turned by 90 degrees', (n, y, x) => x * n + n - 1 - y),
  whole('input-turned', 'the images are turned by 90 degrees', (n, y, x) => (n - 1 - x) * n + y),
  whole(
    'input-transposed',
    'the images are mirrored in the other diagonal',
    (n, y, x) => (n - 1 - x) * n + n - 1 - y,
  ),
];

/** The images rolled, as `torch.roll` does: what leaves on one side comes back on the other. */
export function rolled(planes: Planes, dy: number, dx: number): Planes {
  const { height, width } = planes;
  const wrap = (index: number, size: number) => ((index % size) + size) % size;
  return moved(planes, (y, x) => wrap(y - dy, height) * width + wrap(x - dx, width));
}

/** The images shifted, with zeros or the edge's pixels where nothing came from. */
export function shifted(
  planes: Planes,
  dy: number,
  dx: number,
  edge: 'zeros' | 'repeated',
): Planes {
  const { height, width } = planes;
  const clamp = (index: number, size: number) => Math.min(size - 1, Math.max(0, index));
  const repeated = moved(planes, (y, x) => clamp(y - dy, height) * width + clamp(x - dx, width));
  if (edge === 'repeated') return repeated;
  const inside = (i: number) => {
    const [y, x] = [Math.floor(i / width) % height, i % width];
    return y >= dy && y < height + dy && x >= dx && x < width + dx;
  };
  return { ...repeated, data: repeated.data.map((value, i) => (inside(i) ? value : 0)) };
}

export function shiftWords(dy: number, dx: number): string {
  const parts = [
    ...(dy === 0
      ? []
      : [`${Math.abs(dy)} pixel${Math.abs(dy) === 1 ? '' : 's'} ${dy > 0 ? 'down' : 'up'}`]),
    ...(dx === 0
      ? []
      : [
          `${Math.abs(dx)} pixel${Math.abs(dx) === 1 ? '' : 's'} to the ${dx > 0 ? 'right' : 'left'}`,
        ]),
  ];
  return parts.join(' and ');
}
