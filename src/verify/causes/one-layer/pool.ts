import { averagePlanes, type Module } from '../../local/network.js';
import { type Planes, sameSize } from '../../local/planes.js';
import { type Pool, pooledSize, poolPlanes } from '../../local/pool.js';
import { NAME } from '../../structure.js';
import { TORCHVISION_GOLDEN } from '../suspect.js';
import type { Explanation } from './explanation.js';

/** A pool other than the usual one, in words. */
export interface OtherPool {
  readonly output: Planes;
  readonly story: Omit<Explanation, 'error'>;
}

/** All pools that give maps of one size, but the usual one. */
export function* otherPools(
  name: string,
  usual: Pool,
  input: Planes,
  size: number,
): Iterable<OtherPool> {
  for (const pool of poolsOfSize(usual, input.height, size)) {
    yield { output: poolPlanes(input, pool), story: story(name, usual, pool) };
  }
}

function* poolsOfSize(usual: Pool, from: number, to: number): Iterable<Pool> {
  const kinds = [usual.kind, 'average', 'padded-average', 'max', 'norm'] as const;
  const kernels = [usual.kernel, 1, 2, 3, 4, 5];
  const strides = [usual.stride, 1, 2, 3];
  const seen = new Set([JSON.stringify(usual)]);
  for (const kernel of kernels) {
    for (const stride of strides) {
      for (const padding of [usual.padding, 0, 1, 2]) {
        for (const ceil of [usual.ceil, !usual.ceil]) {
          for (const kind of kinds) {
            const pool = { kind, kernel, stride, padding, ceil };
            const key = JSON.stringify(pool);
            if (seen.has(key) || 2 * padding > kernel || pooledSize(from, pool) !== to) continue;
            seen.add(key);
            yield pool;
          }
        }
      }
    }
  }
}

const KINDS = {
  max: 'a max-pool',
  average: 'an average pool that leaves the padding out',
  'padded-average': 'an average pool',
  norm: 'an L2 pool',
};

function story(name: string, usual: Pool, pool: Pool): Omit<Explanation, 'error'> {
  const kind = usual.kind !== pool.kind;
  const windows = (['kernel', 'stride', 'padding'] as const)
    .filter((key) => usual[key] !== pool[key])
    .map((key) => `${key === 'kernel' ? 'windows' : key} of ${pool[key]} instead of ${usual[key]}`);
  const what = kind
    ? `${KINDS[pool.padding === 0 && pool.kind === 'average' ? 'padded-average' : pool.kind]}, not ${KINDS[usual.kind]}`
    : 'a pool';
  const how = windows.length > 0 ? `${kind ? ', with ' : ' with '}${windows.join(' and ')}` : '';
  const floored = !kind && windows.length === 0;
  return {
    key: `pool ${kind ? pool.kind : ''} ${windows.join()}${floored ? 'floor' : ''}`,
    id: floored ? 'pool-ceil-mode' : kind ? 'pool-kind' : 'pool-windows',
    summary: (where) =>
      floored
        ? `${where} in PyTorch's network pools without ceil_mode`
        : `PyTorch's network has ${what}${how} in ${where === name ? name : where}`,
    cure: TORCHVISION_GOLDEN,
  };
}

/** Why a recorded pool gives what it gives; undefined where no usual pool does. */
export function explainPool(
  { name, pool }: Extract<Module, { type: 'pool' }>,
  input: Planes,
  output: Planes,
): Explanation | undefined {
  for (const { output: found, story } of otherPools(name, pool, input, output.height)) {
    const error = planesError(output, found);
    if (error <= 1e-5) return { ...story, error };
  }
  return undefined;
}

/** Why the average pool before the classifier gives what it gives. */
export function explainAverage(input: Planes, output: Planes): Explanation | undefined {
  for (const { found, words } of otherAverages(input)) {
    const error = planesError(output, found);
    if (error <= 1e-5) return { ...averageStory(words), error };
  }
  return undefined;
}

/** What else may stand between the last block and the classifier. */
export function* otherAverages(input: Planes): Iterable<{ found: Planes; words: string }> {
  const { height, width } = input;
  const whole = { kernel: height, stride: height, padding: 0, ceil: false };
  const mean = averagePlanes(input);
  const area = height * width;
  yield { found: poolPlanes(input, { kind: 'max', ...whole }), words: 'takes the maximum' };
  if (area > 1) {
    yield {
      found: { ...mean, data: mean.data.map((value) => value * area) },
      words: 'takes the sum',
    };
  }
  for (const kernel of [7, 2, 3, 4, 5, 6, 8]) {
    if (kernel >= height) continue;
    yield {
      found: corner(input, kernel),
      words: `averages the first ${kernel}x${kernel} pixels only`,
    };
  }
  yield { found: powerMean(input, 3), words: 'takes the generalised mean with a power of 3 (GeM)' };
}

export function averageStory(words: string): Omit<Explanation, 'error'> {
  return {
    key: words,
    id: 'pool-kind',
    summary: (where) => `${where} in PyTorch's network ${words}, where ${NAME} averages`,
    cure: TORCHVISION_GOLDEN,
  };
}

function corner(input: Planes, kernel: number): Planes {
  const pool = {
    kind: 'average',
    kernel,
    stride: Math.max(input.height, input.width),
    padding: 0,
    ceil: false,
  } as const;
  return poolPlanes(input, pool);
}

function powerMean(input: Planes, power: number): Planes {
  const clamp = (value: number) => Math.max(1e-6, value);
  const powers = averagePlanes({ ...input, data: input.data.map((v) => clamp(v) ** power) });
  return { ...powers, data: powers.data.map((value) => value ** (1 / power)) };
}

/** ‖a − b‖ / ‖a‖. */
export function planesError(expected: Planes, actual: Planes): number {
  if (!sameSize(expected, actual)) return Infinity;
  let [difference, norm] = [0, 0];
  for (const [i, wanted] of expected.data.entries()) {
    difference += (wanted - (actual.data[i] as number)) ** 2;
    norm += wanted ** 2;
  }
  return difference === 0 ? 0 : Math.sqrt(difference / norm);
}
