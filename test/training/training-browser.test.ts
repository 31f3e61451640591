/** Training in a browser: one step beside PyTorch's, on each backend. */
import {
  setBackend,
  type Tensor,
  type Tensor2D,
  tensor1d,
  tensor2d,
  valueAndGrad,
} from '@tensorflow/tfjs-core';
import { beforeAll, expect, inject, test } from 'vitest';
import { crossEntropy } from '../../src/training/index.js';
import { fetchBytes, registerBackends } from '../helpers/app.js';
import { SLOW_ON_GPU } from '../helpers/tiers.js';
import { trainAlike } from './train-alike.js';
import { expectParity } from './training-parity.js';
import { readTraining } from './training-record.js';

beforeAll(async () => {
  await registerBackends();
  expect(await setBackend(inject('backend'))).toBe(true);
});

test('a step is that of PyTorch', SLOW_ON_GPU, async () => {
  const theirs = await readTraining(await fetchBytes('golden/training.once.pth.gz'));
  expectParity(await trainAlike(theirs, 1), theirs);
});

test('labels that are ignored do not count, and others of no class are an error', async () => {
  const logits = tensor2d([
    [1, 2, 3],
    [0, 1, 0],
    [2, -1, 0.5],
  ]);
  const lossOf = async (labels: number[]) => {
    const truth = tensor1d(labels, 'int32');
    const { value, grad } = valueAndGrad((x: Tensor) => crossEntropy(truth, x as Tensor2D))(logits);
    return { loss: (await value.data())[0] as number, gradient: [...(await grad.data())] };
  };
  const { loss, gradient } = await lossOf([0, -100, 2]);
  // PyTorch's, as in loss.test.ts.
  expect(loss).toBeCloseTo(2.0745, 4);
  expect(gradient.slice(3, 6).map(Math.abs)).toEqual([0, 0, 0]);
  const none = await lossOf([-100, -100, -100]);
  expect(none.loss).toBeNaN();
  expect(none.gradient.map(Math.abs)).toEqual(Array(9).fill(0));
  await expect(lossOf([0, 1, 3])).rejects.toMatchObject({ code: 'usage' });
});
