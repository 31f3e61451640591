/** Training in a browser: one step beside PyTorch's, on each backend. */
import { setBackend } from '@tensorflow/tfjs-core';
import { beforeAll, expect, inject, test } from 'vitest';
import { fetchBytes, registerBackends } from './helpers/app.js';
import { expectFirstStep } from './helpers/train.js';
import { readTraining } from './helpers/training.js';

beforeAll(async () => {
  await registerBackends();
  expect(await setBackend(inject('backend'))).toBe(true);
});

test('a step is that of PyTorch', async () => {
  await expectFirstStep(await readTraining(await fetchBytes('golden/training.pth.gz')));
});
