import { IMAGENET_MEAN, IMAGENET_STD, TRANSFORM_INPUT } from '../../googlenet/preprocess.js';
import type { Golden } from '../golden.js';
import type { Laboratory } from '../laboratory.js';
import { toNCHW, toNHWC } from '../layers.js';
import { planesOf } from '../local/planes.js';
import { MOVES, rolled, shifted, shiftWords } from './images/moves.js';
import { between, type Colours, IMAGENET, RECIPES } from './images/recipes.js';
import type { Lineup, Suspect } from './suspect.js';

/** NCHW in, NCHW out. */
type Change = (input: Float32Array) => Float32Array;

/** What can be wrong with the images: all are tried on the model as it is. */
export const inputSuspects: Lineup = function* (lab) {
  if (reachesConv1(lab)) return;
  for (const suspect of changes(lab)) {
    const { change, ...rest } = suspect;
    yield { ...rest, variation: { input: change } };
  }
};

/** Whether the first layer's recorded output is right, and with it the input. */
function reachesConv1({ layers }: Laboratory): boolean {
  const recorded = layers?.layers.some(({ layer }) => layer === 'conv1') ?? false;
  return recorded && layers?.firstJump !== 'conv1';
}

/** Two of them at once, for what a hurried script gets wrong together. */
export const inputPairs: Lineup = function* (lab) {
  if (reachesConv1(lab)) return;
  const all = [...changes(lab)].filter(({ id }) => COMMON.has(id));
  for (const first of all) {
    for (const second of all) {
      if (first.id === second.id) continue;
      yield {
        id: `${first.id}+${second.id}`,
        description: `${first.description}; then ${second.description}`,
        summary: `${first.summary}; and ${second.summary}`,
        cure: `${first.cure} ${second.cure}`,
        variation: { input: (input) => second.change(first.change(input)) },
      };
    }
  }
};

const COMMON = new Set([
  'transform-input',
  'input-not-normalized',
  'input-0-255',
  'input-bgr',
  'input-layout',
]);

type InputSuspect = Suspect & { readonly change: Change };

function* changes(lab: Laboratory): Iterable<InputSuspect> {
  const { input, shape } = lab.golden;
  const pixels = shape[2] * shape[3];
  const perChannel = (scale: readonly number[], offset: readonly number[]): Change =>
    mapChannels(pixels, (value, c) => value * (scale[c] as number) + (offset[c] as number));
  const normalize = mapChannels(
    pixels,
    (value, c) => (value - (IMAGENET_MEAN[c] as number)) / (IMAGENET_STD[c] as number),
  );
  const denormalize = perChannel(IMAGENET_STD, IMAGENET_MEAN);
  const times = (factor: number): Change => mapChannels(pixels, (value) => value * factor);
  const saved = 'Save the input exactly as it goes into the model.';

  yield transformInput(lab, pixels, perChannel);
  const [low, high] = range(input);
  const raw = isPixels(low, high);
  yield {
    id: raw ? 'input-not-normalized' : 'input-normalized-twice',
    description: 'the input normalised once more',
    summary: raw
      ? "the golden file's input holds raw pixels from 0 to 1, where PyTorch was given normalised ones"
      : 'PyTorch was given the input normalised twice',
    cure: saved,
    change: normalize,
  };
  const [once, onceHigh] = range(denormalize(input));
  const wasPixels = isPixels(once, onceHigh);
  yield {
    id: wasPixels ? 'input-not-normalized' : 'input-normalized-twice',
    description: 'the normalisation undone',
    summary: wasPixels
      ? 'PyTorch was given raw pixels from 0 to 1, not normalised'
      : "the golden file's input is normalised twice",
    cure: wasPixels ? 'Normalise with mean .485 .456 .406 and std .229 .224 .225.' : saved,
    change: denormalize,
  };
  const bytes = [
    [
      'the input divided by 255 and normalised',
      "the golden file's input holds raw pixels from 0 to 255",
      chain(times(1 / 255), normalize),
    ],
    [
      'the input divided by 255',
      "the golden file's input holds pixels from 0 to 255, where PyTorch was given 0 to 1",
      times(1 / 255),
    ],
    [
      'the input as raw pixels from 0 to 255',
      'PyTorch was given raw pixels from 0 to 255',
      chain(denormalize, times(255)),
    ],
    [
      'pixels from 0 to 255 normalised as if from 0 to 1',
      'PyTorch was given pixels from 0 to 255 normalised without dividing by 255',
      chain(denormalize, times(255), normalize),
    ],
    [
      'pixels normalised without dividing by 255 put right',
      "the golden file's input was normalised without dividing by 255",
      chain(denormalize, times(1 / 255), normalize),
    ],
  ] as const;
  for (const [description, summary, change] of bytes) {
    yield {
      id: 'input-0-255',
      description,
      summary,
      cure: 'Divide pixels by 255 before normalising.',
      change,
    };
  }
  yield* channelOrders(pixels, normalize, denormalize);
  yield* layouts(shape);
  yield* recipes(shape);
}

/** Other constants than ImageNet's, on either side. */
function* recipes(shape: Golden['shape']): Iterable<InputSuspect> {
  for (const recipe of RECIPES.slice(1)) {
    const rest = {
      id: recipe.id,
      cure: 'Normalise with mean .485 .456 .406 and std .229 .224 .225.',
    };
    yield {
      ...rest,
      description: `the images ${recipe.words}`,
      summary: `PyTorch's images were ${recipe.words}, the golden file's are ${IMAGENET.words}`,
      change: recolour(shape, between(IMAGENET, recipe)),
    };
    yield {
      ...rest,
      description: `images taken to be ${recipe.words}`,
      summary: `the golden file's images are ${recipe.words}, where PyTorch's were ${IMAGENET.words}`,
      change: recolour(shape, between(recipe, IMAGENET)),
    };
  }
}

function recolour([, , height, width]: Golden['shape'], { matrix, offset }: Colours): Change {
  const area = height * width;
  return (input) =>
    input.map((_, i) => {
      const c = Math.floor(i / area) % 3;
      const first = i - c * area;
      const row = matrix[c] as readonly number[];
      const sum = row.reduce((a, factor, k) => a + factor * (input[first + k * area] as number), 0);
      return sum + (offset[c] as number);
    });
}

function transformInput(
  lab: Laboratory,
  pixels: number,
  perChannel: (scale: readonly number[], offset: readonly number[]) => Change,
): InputSuspect {
  const { scale, offset } = TRANSFORM_INPUT;
  const on = lab.transformInput;
  return {
    id: 'transform-input',
    description: `transform_input turned ${on ? 'off' : 'on'}`,
    summary: `transform_input was ${on ? 'off' : 'on'} in PyTorch`,
    cure: `Convert again with --${on ? 'no-' : ''}transform-input.`,
    change: on
      ? mapChannels(pixels, (value, c) => (value - (offset[c] as number)) / (scale[c] as number))
      : perChannel(scale, offset),
  };
}

function* channelOrders(
  pixels: number,
  normalize: Change,
  denormalize: Change,
): Iterable<InputSuspect> {
  const swap: Change = (input) => {
    const out = new Float32Array(input.length);
    for (let plane = 0; plane * pixels < input.length; plane++) {
      const from = plane - (plane % 3) + 2 - (plane % 3);
      out.set(input.subarray(from * pixels, (from + 1) * pixels), plane * pixels);
    }
    return out;
  };
  const rest = {
    id: 'input-bgr',
    summary: 'red and blue are swapped: one side has RGB, the other BGR',
    cure: 'Give both RGB; OpenCV reads BGR.',
  };
  yield { ...rest, description: 'red and blue swapped', change: swap };
  yield {
    ...rest,
    description: 'red and blue swapped before normalising',
    change: chain(denormalize, swap, normalize),
  };
}

function* layouts([images, , height, width]: readonly number[]): Iterable<InputSuspect> {
  const [n, h, w] = [images as number, height as number, width as number];
  const layout = {
    id: 'input-layout',
    summary: 'the layouts are mixed up: channels first (NCHW) read as channels last (NHWC)',
    cure: 'Permute the axes, x.permute(0, 3, 1, 2), where a reshape or view was used.',
  };
  yield {
    ...layout,
    description: 'the input read as NHWC',
    change: (input) => toNCHW(input, [n, h, w, 3]),
  };
  yield {
    ...layout,
    description: 'the input laid out as NHWC',
    change: (input) => toNHWC(input, [n, 3, h, w]),
  };
  const moved =
    (at: (y: number, x: number) => number): Change =>
    (input) => {
      const out = new Float32Array(input.length);
      for (let plane = 0; plane < input.length; plane += h * w) {
        for (let y = 0; y < h; y++) {
          for (let x = 0; x < w; x++) out[plane + y * w + x] = input[plane + at(y, x)] as number;
        }
      }
      return out;
    };
  const cure = 'Give both sides the same image.';
  yield {
    id: 'input-transposed',
    description: 'height and width swapped',
    summary: 'height and width of the images are swapped',
    cure,
    change: moved((y, x) => x * w + y),
  };
  yield {
    id: 'input-mirrored',
    description: 'the images mirrored',
    summary: 'the images are mirrored, as by a random flip meant for training',
    cure,
    change: moved((y, x) => y * w + w - 1 - x),
  };
  yield {
    id: 'input-upside-down',
    description: 'the images upside down',
    summary: 'the images are upside down',
    cure,
    change: moved((y, x) => (h - 1 - y) * w + x),
  };
}

/** Turns, and shifts by a pixel or two; only without layers, which tell at once. */
export const movedImages: Lineup = function* (lab) {
  if (lab.layers?.layers.some(({ layer }) => layer === 'conv1')) return;
  const { shape } = lab.golden;
  const planes = (data: Float32Array) => planesOf(data, shape);
  const cure = 'Give both sides the same image.';
  for (const { id, words, apply } of MOVES.slice(3)) {
    const input: Change = (data) => apply(planes(data)).data;
    yield { id, description: words, summary: words, cure, variation: { input } };
  }
  for (const [dy, dx] of SHIFTS) {
    for (const edge of ['rolled', 'zeros', 'repeated'] as const) {
      const words = `the images shifted by ${shiftWords(dy, dx)} (${edge})`;
      const input: Change = (data) =>
        (edge === 'rolled' ? rolled(planes(data), dy, dx) : shifted(planes(data), dy, dx, edge))
          .data;
      const summary = `PyTorch was given ${words}`;
      yield { id: 'input-shifted', description: words, summary, cure, variation: { input } };
    }
  }
};

const SHIFTS = [
  [0, 1],
  [0, -1],
  [1, 0],
  [-1, 0],
  [1, 1],
  [-1, -1],
] as const;

const chain =
  (...all: readonly Change[]): Change =>
  (input) =>
    all.reduce((value, change) => change(value), input);

function mapChannels(pixels: number, map: (value: number, channel: number) => number): Change {
  return (input) => input.map((value, i) => map(value, Math.floor(i / pixels) % 3));
}

/** Whether values from `low` to `high` can be pixels from 0 to 1, give or take rounding. */
function isPixels(low: number, high: number): boolean {
  return low >= -1e-3 && high <= 1.001;
}

function range(values: Float32Array): [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
