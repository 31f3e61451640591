/** Training in a browser: one step beside PyTorch's, on each backend. */
import { setBackend } from '@tensorflow/tfjs-core';
import { beforeAll, expect, inject, test } from 'vitest';
import { fetchBytes, registerBackends } from './helpers/app.js';
import { SLOW_ON_GPU } from './helpers/tiers.js';
import { trainAlike } from './helpers/train-alike.js';
import { expectParity } from './helpers/training-parity.js';
import { readTraining } from './helpers/training-record.js';

beforeAll(async () => {
  await registerBackends();
  expect(await setBackend(inject('backend'))).toBe(true);
});

test('a step is that of PyTorch', SLOW_ON_GPU, async () => {
  const theirs = await readTraining(await fetchBytes('golden/training.once.pth.gz'));
  expectParity(await trainAlike(theirs, 1), theirs);
});
