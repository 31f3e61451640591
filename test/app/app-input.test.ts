/** What an app may hand to a network, and the labels of its classes; in Node and in browsers. */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toBatch } from '../../src/app/input.js';
import { type GoogLeNet, loadGoogLeNet } from '../../src/index.js';
import { batchNHWC } from '../../src/verify/golden.js';
import { expectClose, fetchBytes, urlOf } from '../helpers/app.js';
import { SLOW, SLOW_IN_BROWSERS } from '../helpers/tiers.js';
import { checkpoint, convert, file, files, golden } from './given.js';

describe('input', SLOW_IN_BROWSERS, () => {
  let model: GoogLeNet;

  beforeAll(async () => {
    const labels = Array.from({ length: 1000 }, (_, i) => `label ${i}`);
    model = await loadGoogLeNet(files.map(file), { labels });
  });
  afterAll(() => model.dispose());

  const width = 90;
  const height = 70;
  const rgb = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) % 256);

  test('pixels, pixels with alpha, and int32 tensors are the same image', async () => {
    const rgba = Uint8ClampedArray.from({ length: width * height * 4 }, (_, i) =>
      i % 4 === 3 ? 9 : (rgb[Math.floor(i / 4) * 3 + (i % 4)] as number),
    );
    const tensor = tf.tensor3d(Int32Array.from(rgb), [height, width, 3], 'int32');
    const batch = await toBatch(
      [{ data: rgb, width, height }, { data: rgba, width, height }, tensor],
      64,
    );
    tensor.dispose();
    const [first, ...others] = [0, 1, 2].map((i) =>
      batch.subarray(i * 64 ** 2 * 3, (i + 1) * 64 ** 2 * 3),
    );
    for (const other of others) expect(other).toEqual(first);
    expect((await model.classify({ data: rgb, width, height }))[0]?.className).toMatch(/^label \d/);
  });

  test('a tensor of several images is a batch, of pixels or normalised', async () => {
    const pixels = [rgb, rgb.toReversed()];
    const expected = await toBatch(
      pixels.map((data) => ({ data, width, height })),
      64,
    );
    const all = Int32Array.from([...rgb, ...rgb.toReversed()]);
    const batch = tf.tensor4d(all, [2, height, width, 3], 'int32');
    expect(await toBatch(batch, 64)).toEqual(expected);
    expect(await model.classify(batch, { topK: 3 })).toHaveLength(2);
    const inputs = tf.tensor4d(batchNHWC(golden), [2, 64, 64, 3]);
    const { data } = await model.logits(inputs);
    expectClose(data, golden.logits);
    tf.dispose([batch, inputs]);
  });

  test('what is no image is an error that says so', async () => {
    const wrong = tf.zeros([32, 32, 3]);
    await expect(model.logits(wrong as tf.Tensor3D)).rejects.toThrow(/32x32.*64x64/);
    const flat = tf.zeros([64, 64]);
    await expect(model.logits(flat as never)).rejects.toThrow(/shape \[64,64\]/);
    await expect(model.logits([])).rejects.toThrow(/without images/);
    const none = tf.zeros([0, 64, 64, 3], 'int32') as tf.Tensor4D;
    await expect(model.logits(none)).rejects.toThrow(/shape \[0,64,64,3\]/);
    const batch = tf.zeros([2, 64, 64, 3], 'int32') as tf.Tensor4D;
    await expect(model.logits([batch as never])).rejects.toMatchObject({
      hint: expect.stringMatching(/one image each/),
    });
    await expect(model.logits({ data: rgb, width: 1, height })).rejects.toThrow(/1x70/);
    const floats = { data: Float32Array.from(rgb) as never, width, height };
    await expect(model.logits(floats)).rejects.toThrow(/pixels of type Float32Array/);
    for (const other of [undefined, null, 3, 'photo.jpg', {}, rgb]) {
      await expect(model.logits(other as never)).rejects.toThrow(/is no image/);
    }
    await expect(model.classify([floats], { topK: 0 })).rejects.toThrow(/topK is 0/);
    tf.dispose([wrong, flat, none, batch]);
  });

  test('labels that were kept in the model, and those of the app before them', SLOW, async () => {
    const kept = Array.from({ length: 1000 }, (_, i) => `kept ${i}`);
    const [url, labels] = [urlOf('labelled/model.json'), kept.toReversed()];
    for (const source of [url, tf.io.http(url)]) {
      const named = await loadGoogLeNet(source);
      expect(named.labels).toEqual(kept);
      named.dispose();
      const other = await loadGoogLeNet(source, { labels });
      expect(other.labels).toEqual(labels);
      other.dispose();
    }
    const converted = await loadGoogLeNet(await fetchBytes(checkpoint), {
      convert: { ...convert, labels: kept },
    });
    expect(converted.labels).toEqual(kept);
    converted.dispose();
  });

  test('labels must be as many as classes', async () => {
    const before = tf.memory().numTensors;
    await expect(loadGoogLeNet(files.map(file), { labels: ['cat', 'dog'] })).rejects.toThrow(
      /2 labels for a model of 1000 classes/,
    );
    expect(tf.memory().numTensors).toBe(before);
  });
});
