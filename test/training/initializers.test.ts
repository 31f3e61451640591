import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/read-checkpoint.js';
import { toFloat32 } from '../../src/checkpoint/tensor/float32.js';
import type { StateDict } from '../../src/checkpoint/tensor/tensor.js';
import { prepareBackend } from '../../src/runtimes/backends.js';
import { type GoogLeNetOptions, googlenet } from '../../src/training/index.js';
import { temporaryFolder } from '../helpers/cli.js';
import { findPython, runPython } from '../helpers/python.js';
import { drawSeed } from '../helpers/seed.js';
import { SLOW } from '../helpers/tiers.js';

const python = await findPython('initial weights beside those of a live PyTorch');

/** Tensors with their numbers, but at most 100,000 of them. */
type Samples = ReadonlyMap<string, Float32Array>;

const samplesOf = (stateDict: StateDict): Samples =>
  new Map([...stateDict].map(([key, tensor]) => [key, toFloat32(tensor).slice(0, 1e5)]));

async function start(options: GoogLeNetOptions): Promise<Samples> {
  const net = googlenet({ numClasses: 10, imageSize: 15, ...options });
  const stateDict = await net.stateDict();
  net.dispose();
  return samplesOf(stateDict);
}

beforeAll(async () => {
  await prepareBackend('wasm');
});

describe.skipIf(python === undefined)('every tensor starts as in PyTorch', SLOW, () => {
  const seed = drawSeed('initializers-oracle.py');
  const folder = temporaryFolder();

  beforeAll(async () => {
    const args = ['--seed', String(seed), '--out', folder];
    await runPython(python as string, 'test/training/initializers-oracle.py', ...args);
  });

  test.each([
    ['truncated', true],
    ['default', false],
  ])('%s', async (name, initWeights) => {
    const { value } = await readCheckpoint(await readFile(join(folder, `${name}.pth`)));
    const theirs = samplesOf(value as StateDict);
    const ours = await start({ initWeights, seed });
    expect([...ours.keys()]).toEqual([...theirs.keys()]);
    // All tests together fail by chance once in a million runs.
    const chance = 1e-6 / theirs.size;
    for (const [key, sample] of theirs) {
      const own = ours.get(key) as Float32Array;
      if (key.includes('.bn.')) expect([key, own]).toEqual([key, sample]);
      else expect(kolmogorovSmirnov(own, sample, chance), key).toBeLessThan(1);
    }
  });
});

describe('initial weights', () => {
  let weights: Samples;
  let kernels: Float32Array[];

  beforeAll(async () => {
    weights = await start({ seed: 1 });
    kernels = [...weights].filter(([key]) => /(conv|fc\d?)\.weight$/.test(key)).map(([, w]) => w);
  });

  test('are those of a normal of deviation 0.01, cut off at two deviations', () => {
    const sums = [0, 0, 0, 0];
    let [count, greatest] = [0, 0];
    for (const kernel of kernels) {
      count += kernel.length;
      for (const weight of kernel) {
        greatest = Math.max(greatest, Math.abs(weight));
        sums.forEach((sum, i) => {
          sums[i] = sum + (weight / 0.01) ** (i + 1);
        });
      }
    }
    // scipy.stats.truncnorm(-2, 2).moment(1 to 8); of a mean of n powers, five deviations are allowed.
    const moments = [0, 0.7737413, 0, 1.4161891, 0, 3.4608065, 0, 9.7450888];
    for (const [i, sum] of sums.entries()) {
      const [moment, square] = [moments[i], moments[2 * i + 1]] as [number, number];
      const deviation = Math.sqrt((square - moment ** 2) / count);
      expect(Math.abs(sum / count - moment)).toBeLessThan(5 * deviation);
    }
    expect(greatest).toBeLessThanOrEqual(Math.fround(0.02));
    expect(greatest).toBeGreaterThan(0.01999);
  });

  test('of BatchNorm are 1 and 0', () => {
    const values = { weight: 1, bias: 0, running_mean: 0, running_var: 1, num_batches_tracked: 0 };
    for (const [key, weight] of weights) {
      const field = /\.bn\.(\w+)$/.exec(key)?.[1] as keyof typeof values | undefined;
      if (field !== undefined) expect(new Set(weight)).toEqual(new Set([values[field]]));
    }
  });

  test('of two layers have nothing to do with each other', () => {
    for (const [i, a] of kernels.entries()) {
      for (const b of kernels.slice(i + 1)) {
        const count = Math.min(a.length, b.length, 10_000);
        // A product of two such weights deviates by their variance, and of 2,016 pairs none by 5.5 times that.
        const product = correlation(a.subarray(0, count), b.subarray(0, count));
        expect(Math.abs(product) * Math.sqrt(count)).toBeLessThan(5.5);
      }
    }
  });

  test('come again with their seed, and others with another', SLOW, async () => {
    const [again, others, unseeded] = [
      await start({ seed: 1 }),
      await start({ seed: 2 }),
      await start({}),
    ];
    for (const [key, weight] of weights) {
      const isSame = (found: Samples) => Buffer.from(weight.buffer).equals(bytesOf(found.get(key)));
      const drawn = !key.includes('.bn.');
      expect([key, ...[again, others, unseeded].map(isSame)]).toEqual([key, true, !drawn, !drawn]);
    }
  });
});

function bytesOf(sample: Float32Array | undefined): Buffer {
  return Buffer.from((sample as Float32Array).buffer);
}

function correlation(a: Float32Array, b: Float32Array): number {
  const product = (x: Float32Array, y: Float32Array) =>
    x.reduce((sum, value, i) => sum + value * (y[i] as number), 0);
  return product(a, b) / Math.sqrt(product(a, a) * product(b, b));
}

/**
 * The greatest distance between two samples' distribution functions, as a share of what chance allows.
 * Source: the two-sample Kolmogorov-Smirnov test.
 */
function kolmogorovSmirnov(a: Float32Array, b: Float32Array, chance: number): number {
  const [x, y] = [a.slice().sort(), b.slice().sort()];
  let [i, j, greatest] = [0, 0, 0];
  while (i < x.length && j < y.length) {
    const next = Math.min(x[i] as number, y[j] as number);
    while (x[i] === next) i++;
    while (y[j] === next) j++;
    greatest = Math.max(greatest, Math.abs(i / x.length - j / y.length));
  }
  const allowed = Math.sqrt((-Math.log(chance / 2) / 2) * (1 / x.length + 1 / y.length));
  return greatest / allowed;
}
