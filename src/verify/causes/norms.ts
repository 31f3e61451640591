import { BATCH_NORM_EPS, NAME } from '../structure.js';
import { TORCHVISION_GOLDEN } from './suspect.js';

/** What may stand in BatchNorm's place: statistics of each image by itself, not those of training. */
export interface OtherNorm {
  readonly words: string;
  /** How many sets of channels have statistics of their own; `pixels`: all channels of each pixel have. */
  readonly sets: (channels: number) => number | 'pixels';
  /** Whether it is used without weight and bias, too: their default, or of a shape that no checkpoint has. */
  readonly bare: boolean;
}

export const INSTANCE_NORM: OtherNorm = {
  words: 'InstanceNorm2d, the statistics of each image and channel,',
  sets: (channels) => channels,
  bare: true,
};

export const OTHER_NORMS: readonly OtherNorm[] = [
  INSTANCE_NORM,
  {
    words: 'LayerNorm (GroupNorm of one group), the statistics of all channels of each image,',
    sets: () => 1,
    bare: true,
  },
  ...[8, 32, 16, 4, 2].map((groups) =>
    groupNorm(`${groups} groups`, (c) => commonDivisor(c, groups)),
  ),
  ...[16, 8].map((size) =>
    groupNorm(`groups of ${size} channels`, (c) => c / commonDivisor(c, size)),
  ),
  {
    words: 'LayerNorm over the channels of each pixel',
    sets: () => 'pixels',
    bare: true,
  },
];

function groupNorm(what: string, sets: (channels: number) => number): OtherNorm {
  return { words: `GroupNorm (${what})`, sets, bare: false };
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

/** What is said of it. */
export function normStory({ words, sets }: OtherNorm) {
  const like = sets === INSTANCE_NORM.sets ? ', or training mode with one image at a time' : '';
  return {
    key: `norm ${words}`,
    id: 'batch-norm-kind',
    summary: (where: string) =>
      `PyTorch's network has ${words} where ${NAME} has BatchNorm2d, in ${where}${like}`,
    cure: TORCHVISION_GOLDEN,
  };
}

/** PyTorch's default, and the network's own. */
export const NORM_EPSILONS = [1e-5, BATCH_NORM_EPS] as const;

/** One image, channels last, less the mean and divided by the deviation of each set. */
export function standardize(
  values: ArrayLike<number>,
  channels: number,
  { sets }: OtherNorm,
  eps: number,
): Float64Array {
  const count = sets(channels);
  const setOf =
    count === 'pixels'
      ? (i: number) => Math.floor(i / channels)
      : (i: number) => Math.floor(((i % channels) * count) / channels);
  const all = count === 'pixels' ? values.length / channels : count;
  const size = values.length / all;
  const mean = new Float64Array(all);
  const variance = new Float64Array(all);
  for (let i = 0; i < values.length; i++) {
    mean[setOf(i)] = (mean[setOf(i)] as number) + (values[i] as number) / size;
  }
  for (let i = 0; i < values.length; i++) {
    const set = setOf(i);
    variance[set] =
      (variance[set] as number) + ((values[i] as number) - (mean[set] as number)) ** 2 / size;
  }
  return Float64Array.from({ length: values.length }, (_, i) => {
    const set = setOf(i);
    return (
      ((values[i] as number) - (mean[set] as number)) / Math.sqrt((variance[set] as number) + eps)
    );
  });
}
