/**
 * Parity of training with PyTorch: outputs, losses, gradients of every parameter, and what steps of SGD make of
 * every parameter and running statistic. Of the network in golden/; and where there is a PyTorch, of random
 * ones.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Tensor, tensor2d, tensor4d, tidy } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/read-checkpoint.js';
import { toFloat32 } from '../../src/checkpoint/tensor/float32.js';
import type { StateDict, TensorView } from '../../src/checkpoint/tensor/tensor.js';
import { adaptiveAvgPool2d } from '../../src/network/layers.js';
import { module } from '../../src/network/module.js';
import { trace } from '../../src/network/trace.js';
import { toNCHW, toNHWC } from '../../src/numbers/layout.js';
import { prepareBackend } from '../../src/runtimes/backends.js';
import { adaptivePool } from '../../src/targets/keras/adaptive-pool.js';
import { lowerToKeras } from '../../src/targets/keras/lower.js';
import { SymbolicGraph } from '../../src/training/symbolic-graph.js';
import { GOLDEN, temporaryFolder } from '../helpers/cli.js';
import { findPython, runPython } from '../helpers/python.js';
import { drawSeed } from '../helpers/seed.js';
import { SLOW } from '../helpers/tiers.js';
import { mixText, uniform } from './hashed.js';
import { type Trained, trainAlike } from './train-alike.js';
import { expectParity, PARITY } from './training-parity.js';
import { readTraining, type Training } from './training-record.js';

/** The cases of training-oracle.py. */
const NAMES = ['as-published', 'transformed', 'paper-kernels', 'smallest'];

const golden = () => readFile(join(GOLDEN, 'training.pth.gz'));
/** Seeds that were tried out, and which batches of the case `smallest` are clear of kinks then. */
const TRIED: ReadonlyMap<number, readonly number[]> = new Map([
  [2, [137, 738]],
  [3, [180, 957]],
  [4, [43, 1410]],
]);

const python = await findPython('training beside a live PyTorch');

beforeAll(async () => {
  await prepareBackend('wasm');
});

describe('the network in golden/', () => {
  testParity(golden);
});

describe.skipIf(python === undefined)('a random network by torchvision', SLOW, () => {
  const seed = drawSeed('training-oracle.py', [...TRIED.keys()]);
  const folder = temporaryFolder();

  describe.each(NAMES)('%s', (name) => {
    testParity(async () => {
      const likely = (TRIED.get(seed) ?? []).map(String);
      const args = [name, '--seed', String(seed), '--out', folder, '--likely', ...likely];
      await runPython(python as string, 'test/training/training-oracle.py', ...args);
      return readFile(join(folder, `${name}.pth`));
    });
  });
});

function testParity(read: () => Promise<Uint8Array>): void {
  let [theirs, ours]: readonly [Training, Trained] = [] as never;

  beforeAll(async () => {
    theirs = await readTraining(await read());
    ours = await trainAlike(theirs);
    expect(ours.steps).toHaveLength(theirs.steps.length);
  });

  it.each(Object.entries(PARITY))('gives the %s', (_, check) => {
    check(ours, theirs);
  });

  it('would tell a thousandth that is wrong in one number', () => {
    const [{ gradients, ...step }, ...more] = ours.steps;
    const name = 'inception4c.branch2.1.conv.weight';
    const values = Float32Array.from(gradients.get(name) as Float32Array);
    values[1234] = (values[1234] as number) + 1e-3 * theirs.steps[0].gradients.norm(name);
    const wrong = { ...step, gradients: new Map(gradients).set(name, values) };
    expect(() => expectParity({ ...ours, steps: [wrong, ...more] }, theirs)).toThrow(name);
  });

  it('counts every batch', () => {
    const norms = [...theirs.initial.keys()].filter((key) => key.endsWith('num_batches_tracked'));
    for (const [i, { batches }] of ours.steps.entries()) {
      expect(batches).toEqual(norms.map(() => i + 1));
    }
  });
}

describe('the adaptive average pool', () => {
  let pools: Float32Array;

  beforeAll(async () => {
    const { value } = await readCheckpoint(await golden());
    pools = toFloat32((value as StateDict).get('pools') as TensorView);
  });

  const sizes = Array.from({ length: 30 }, (_, i) => i + 1);
  it.each(sizes)('of %d to 4 is nn.AdaptiveAvgPool2d', (size) => {
    const layers = new SymbolicGraph();
    const network = module('', { pool: adaptiveAvgPool2d(4) }, (x, m) => m.pool(x));
    const { outputs } = lowerToKeras(trace(network, [3, size, size]), layers);
    const pool = layers.model('pool', outputs);
    const plane = uniform(mixText(1378, `plane${size}`), new Float32Array(3), size ** 2);
    const means = tidy(() => {
      pool
        .getLayer('pool')
        .setWeights([tensor2d(adaptivePool([size, size], [4, 4]), [size ** 2, 16])]);
      const image = toNHWC(Float32Array.from(plane), [1, 3, size, size]);
      return (pool.predict(tensor4d(image, [1, size, size, 3])) as Tensor).dataSync<'float32'>();
    });
    const expected = pools.subarray((size - 1) * 48, size * 48);
    // Means of at most 64 numbers up to 1: rounding takes some units of 6e-8.
    for (const [i, mean] of toNCHW(means, [1, 4, 4, 3]).entries()) {
      expect(Math.abs(mean - (expected[i] as number))).toBeLessThan(5e-7);
    }
    pool.dispose();
  });
});
