/** The app API, as Node and each backend in a browser must give it; the network at 64x64. */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GoogLeNet, loadGoogLeNet } from '../../src/index.js';
import { expectClose, fetchBytes, fetchText, urlOf } from '../helpers/app.js';
import { SLOW, SLOW_ON_GPU } from '../helpers/tiers.js';
import {
  backend,
  checkpoint,
  convert,
  expectPyTorch,
  file,
  files,
  golden,
  normalised,
} from './given.js';

describe('the backend', () => {
  test('is the best that starts here, where the app has chosen none', async () => {
    expect(tf.getBackend()).toBeFalsy();
    (await loadGoogLeNet(files.map(file))).dispose();
    expect(tf.getBackend()).toBe(backend);
  });

  test('stays the one that the app has chosen', SLOW_ON_GPU, async () => {
    await tf.setBackend('cpu');
    (await loadGoogLeNet(files.map(file))).dispose();
    expect(tf.getBackend()).toBe('cpu');
    await tf.setBackend(backend);
  });
});

describe('what PyTorch gives', () => {
  let model: GoogLeNet;

  beforeAll(async () => {
    model = await loadGoogLeNet(urlOf('layers/model.json'));
  });
  afterAll(() => model.dispose());

  test('logits of one image and of a batch', SLOW_ON_GPU, async () => {
    await expectPyTorch(model);
    const images = [normalised(0), normalised(1)];
    const { shape, data } = await model.logits(images);
    tf.dispose(images);
    expect(shape).toEqual([2, 1000]);
    expectClose(data, golden.logits);
  });

  test('features, and any layer, channels last', SLOW_ON_GPU, async () => {
    const pooled = golden.activations.get('avgpool');
    const features = await model.embed([normalised(0), normalised(1)]);
    expect(features.shape).toEqual([2, 1024]);
    expectClose(features.data, pooled?.data as Float32Array);
    const layer = await model.activation(normalised(0), 'inception4c');
    expect(layer.shape).toEqual([1, 4, 4, 512]);
    const recorded = golden.activations.get('inception4c')?.data as Float32Array;
    const channel = 300;
    const first = layer.data.filter((_, i) => i % 512 === channel);
    expectClose(first, recorded.subarray(channel * 16, (channel + 1) * 16));
    await expect(model.activation(normalised(0), 'layer4')).rejects.toThrow(/no layer 'layer4'/);
  });

  test(
    'the classes, by PyTorch’s order, with probabilities that sum to 1',
    SLOW_ON_GPU,
    async () => {
      const [first, second] = await model.classify([normalised(0), normalised(1)], { topK: 1000 });
      // As golden/README.md lists them: top-1 of images 1 and 3 at 64x64.
      expect([first?.[0]?.index, second?.[0]?.index]).toEqual([352, 979]);
      const sum = first?.reduce((total, { probability }) => total + probability, 0);
      expect(sum).toBeCloseTo(1, 12);
      const best = await model.classify(normalised(0));
      expect(best).toHaveLength(5);
      expect(best[0]).toMatchObject({ index: 352, className: 'class 352' });
    },
  );
});

/** At 224x224; for a GPU in software, which takes half a minute for that, at 64x64: the kernels are the same. */
test('what torchvision gives for a photo', SLOW_ON_GPU, async () => {
  const { photos } = JSON.parse(await fetchText('golden/photos/photos.json'));
  const photo = photos.find(({ file }: { file: string }) => file === 'photo.png');
  const { width, height } = photo;
  const [imageSize, top5] = backend === 'wasm' ? [224, photo.top5] : [64, photo.top5_of_64];
  const model = await loadGoogLeNet(urlOf(checkpoint), { convert: { ...convert, imageSize } });
  const data = await fetchBytes('decoded/photo.png');
  const predictions = await model.classify({ data, width, height });
  expect(predictions.map(({ index }) => index)).toEqual(
    top5.map(({ index }: { index: number }) => index),
  );
  for (const [rank, { probability }] of predictions.entries()) {
    expect(Math.abs(probability - top5[rank].probability)).toBeLessThan(1e-3);
  }
  model.dispose();
});

const IN_NODE = typeof document === 'undefined';
const KINDS = [
  ['a layers model', 'layers/model.json', {}],
  ['a graph model', 'graph/model.json', {}],
  // In Node the quick tier has it in graph-commands.test.ts.
  ['a graph model that takes pixels', 'pixels/model.json', IN_NODE ? SLOW : SLOW_ON_GPU],
  ['a checkpoint', checkpoint, SLOW_ON_GPU],
] as const;
for (const [kind, path, tier] of KINDS) {
  test(`${kind} gives what PyTorch gives`, tier, async () => {
    const model = await loadGoogLeNet(urlOf(path), { convert });
    await expectPyTorch(model);
    model.dispose();
  });
}

test('classifications leave no tensor behind, and dispose leaves none at all', SLOW, async () => {
  const before = tf.memory().numTensors;
  const phases: string[] = [];
  const model = await loadGoogLeNet(urlOf('layers/model.json'), {
    warmUp: true,
    onProgress: ({ phase }) => phases.push(phase),
  });
  expect(phases.at(-1)).toBe('warm-up');
  const loaded = tf.memory().numTensors;
  const image = { data: new Uint8Array(64 * 64 * 3).fill(90), width: 64, height: 64 };
  // A GPU in software takes a second each; what leaks, leaks every time.
  for (let i = 0; i < (backend === 'wasm' ? 100 : 3); i++) await model.classify(image);
  await model.embed(image);
  expect(tf.memory().numTensors).toBe(loaded);
  model.dispose();
  model.dispose();
  await expect(model.classify(image)).rejects.toThrow(/disposed of/);
  await expect(model.embed(image)).rejects.toThrow(/disposed of/);
  expect(tf.memory().numTensors).toBe(before);
});
