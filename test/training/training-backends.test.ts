/** Training on every backend of TensorFlow.js: one step beside PyTorch's, and the kernels that it takes. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { BackendName } from '../../src/runtimes/backend.js';
import { prepareBackend } from '../../src/runtimes/backends.js';
import { GRADIENT_KERNELS } from '../../src/training/gradient-kernels.js';
import { googlenet, googlenetLoss, type TrainableGoogLeNet } from '../../src/training/index.js';
import { GOLDEN } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';
import { probeWebGPU, VULKAN_ENV } from '../helpers/vulkan.js';
import { trainAlike } from './train-alike.js';
import { expectParity } from './training-parity.js';
import { readTraining } from './training-record.js';

const { PTH2TFJS_TFJS_NODE: folder } = process.env;

/** Why a backend is not tried here. */
const skipped: Partial<Record<BackendName, string | false>> = {
  tensorflow: !folder && 'PTH2TFJS_TFJS_NODE names no folder with tfjs-node in it',
  webgpu: !probeWebGPU().found && 'no Vulkan driver is found (Debian: chromium and libvulkan1)',
};
for (const [name, reason] of Object.entries(skipped)) {
  if (reason) console.warn(`SKIPPED: training on ${name}, ${reason}`);
}

const importPackage = (name: string): Promise<unknown> => {
  if (!name.includes('tfjs-node')) return import(name);
  const { resolve } = createRequire(join(folder as string, 'package.json'));
  return import(pathToFileURL(resolve(name)).href);
};

describe('the kernels', () => {
  let net: TrainableGoogLeNet;

  beforeAll(async () => {
    await prepareBackend('wasm');
    net = googlenet({ numClasses: 2, imageSize: 15, transformInput: true, seed: 1 });
    return () => net.dispose();
  });

  test('are those that a step runs and inference does not', async () => {
    const images = tf.randomNormal<tf.Rank.R4>([4, 15, 15, 3]);
    const labels = tf.tensor1d([0, 1, 0, 1], 'int32');
    const step = () => {
      const loss = () => googlenetLoss(net.forward(images, { training: true }), labels);
      return tf.train.momentum(0.01, 0.9).minimize(loss, true, net.variables) as tf.Scalar;
    };
    const [inference, training] = [
      await kernelsOf(() => net.forward(images)),
      await kernelsOf(step),
    ];
    // wasm's gradients of convolutions are made of these, and only there.
    const ours = ['Conv2D', 'Pack', 'Slice', 'StridedSlice'];
    const more = [...training].filter((name) => !inference.has(name));
    expect(more.sort()).toEqual([...GRADIENT_KERNELS, ...ours].sort());
  });

  // Whatever has no GPU here still tells which kernels it has.
  test.each(['cpu', 'wasm', 'webgl', 'webgpu'])('are all there on %s', async (name) => {
    await import(`@tensorflow/tfjs-backend-${name}`);
    expect(lackingOn(name)).toEqual([]);
  });

  test('are missed before the work, and the backends that have them are named', () => {
    const images = tf.zeros<tf.Rank.R4>([2, 15, 15, 3]);
    const kernel = tf.getKernel('MaxPoolGrad', 'wasm') as tf.KernelConfig;
    tf.unregisterKernel('MaxPoolGrad', 'wasm');
    try {
      expect(() => net.forward(images, { training: true })).toThrow(
        expect.objectContaining({
          code: 'backend',
          message: expect.stringMatching(/wasm cannot train.* MaxPoolGrad$/),
          hint: expect.stringMatching(/tensorflow, webgpu, webgl, wasm and cpu/),
        }),
      );
      expect(net.forward(images).shape).toEqual([2, 2]);
    } finally {
      tf.registerKernel(kernel);
    }
  });
});

/** After the kernels, since tfjs-node brings all backends along. wasm has training.test.ts. */
describe.each(['cpu', 'tensorflow', 'webgpu'] as const)('on %s', (name) => {
  test.skipIf(skipped[name])(
    'a step is that of PyTorch',
    { ...SLOW, timeout: 400_000 },
    async () => {
      Object.assign(process.env, VULKAN_ENV);
      const backend = await prepareBackend(name, { importPackage });
      expect(lackingOn(tf.getBackend())).toEqual([]);
      const theirs = await readTraining(readFileSync(join(GOLDEN, 'training.once.pth.gz')));
      const ours = await trainAlike(theirs, 1).finally(backend.stop);
      expectParity(ours, theirs);
    },
  );
});

function lackingOn(backend: string): string[] {
  return GRADIENT_KERNELS.filter((name) => tf.getKernel(name, backend) === undefined);
}

async function kernelsOf(work: () => tf.Tensor): Promise<Set<string>> {
  const { kernelNames } = await tf.profile(work);
  return new Set(kernelNames.filter((name) => tf.getKernel(name, tf.getBackend()) !== undefined));
}
