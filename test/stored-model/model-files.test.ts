/** The files of a model, wherever they lie: what stock TensorFlow.js loads is loaded, the rest is named. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { openModelArgument } from '../../cli/model-directory.js';
import { loadGoogLeNet } from '../../src/index.js';
import { loadStored } from '../../src/runtimes/tfjs/load.js';
import { TINY_IMAGE } from '../helpers/tiny-model.js';
import { answers, asked, base, failureOf, json, place, tiny } from './model-files.js';

/** The logits that stock TensorFlow.js gives. */
async function stockLogits(handler: tf.io.IOHandler | string): Promise<Float32Array> {
  const model = await loadLayersModel(handler);
  const logits = model.predict(tf.tensor(TINY_IMAGE, [1, 4, 4, 3])) as tf.Tensor;
  const values = await logits.data<'float32'>();
  model.dispose();
  return values;
}

async function logitsOf(location: string): Promise<Float32Array> {
  const { model: opened } = await openModelArgument(location, true);
  if (opened === undefined || opened.format === 'onnx') expect.fail('no model of TensorFlow.js');
  const model = await loadStored(opened);
  const values = await model.predict(TINY_IMAGE);
  model.dispose();
  return values;
}

async function appLogits(source: Parameters<typeof loadGoogLeNet>[0]): Promise<Float32Array> {
  const model = await loadGoogLeNet(source);
  const image = tf.tensor3d(TINY_IMAGE, [4, 4, 3]);
  const { data } = await model.logits(image);
  model.dispose();
  return data;
}

describe('what stock TensorFlow.js loads from a server', () => {
  const half = 200;
  const two = () => ({ 'a.bin': tiny.data.subarray(0, half), 'b.bin': tiny.data.subarray(half) });

  const variants: readonly [string, () => Readonly<Record<string, Uint8Array | string>>][] = [
    ['one-file', () => ({ 'model.json': json(['a.bin']), 'a.bin': tiny.data })],
    ['two-files', () => ({ 'model.json': json(['a.bin', 'b.bin']), ...two() })],
    ['dot', () => ({ 'model.json': json(['./a.bin']), 'a.bin': tiny.data })],
    ['subfolder', () => ({ 'model.json': json(['w/x/a.bin']), 'w/x/a.bin': tiny.data })],
    ['query', () => ({ 'model.json': json(['a.bin?v=2']), 'a.bin': tiny.data })],
    ['space', () => ({ 'model.json': json(['my file.bin']), 'my file.bin': tiny.data })],
    ['escaped', () => ({ 'model.json': json(['my%20file.bin']), 'my file.bin': tiny.data })],
    ['mark', () => ({ 'model.json': `\ufeff${json(['a.bin'])}`, 'a.bin': tiny.data })],
    ['newline', () => ({ 'model.json': `\r\n\t ${json(['a.bin'])}`, 'a.bin': tiny.data })],
    ['other-name', () => ({ 'net-v1.json': json(['a.bin']), 'a.bin': tiny.data })],
    [
      'groups',
      () => {
        const [kernel, bias] = tiny.weights;
        const weightsManifest = [
          { paths: ['k1.bin', 'k2.bin'], weights: [kernel] },
          { paths: ['b.bin'], weights: [bias] },
        ];
        return {
          'model.json': json([], { weightsManifest }),
          'k1.bin': tiny.data.subarray(0, 100),
          'k2.bin': tiny.data.subarray(100, 384),
          'b.bin': tiny.data.subarray(384),
        };
      },
    ],
  ];

  test.each(variants)(
    '%s: by URL and by path, in the app and on the command line',
    async (name, files) => {
      const folder = place(name, files());
      const file = name === 'other-name' ? 'net-v1.json' : 'model.json';
      const url = `${base}/${name}/${file}`;
      const expected = await stockLogits(url);
      for (const location of [url, `${url}?token=x`, join(folder, file)]) {
        expect([location, await logitsOf(location)]).toEqual([location, expected]);
        expect([location, await appLogits(location)]).toEqual([location, expected]);
      }
    },
  );

  test('a folder by each of its names', async () => {
    const folder = place('by-folder', { 'model.json': json(['a.bin']), 'a.bin': tiny.data });
    const expected = await stockLogits(`${base}/by-folder/model.json`);
    const names = [
      folder,
      `${folder}/`,
      pathToFileURL(folder).href,
      pathToFileURL(join(folder, 'model.json')).href,
      `${base}/by-folder/`,
      `${base}/by-folder`,
      `${base}/by-folder?token=x`,
    ];
    for (const name of names) {
      expect([name, await logitsOf(name)]).toEqual([name, expected]);
      expect([name, await appLogits(name)]).toEqual([name, expected]);
    }
    expect(await appLogits(pathToFileURL(folder))).toEqual(expected);
  });

  test('a folder for which the server answers with a page', async () => {
    place('listed', { 'model.json': json(['a.bin']), 'a.bin': tiny.data });
    answers.set('/listed', new TextEncoder().encode('\n<!DOCTYPE html><title>Index</title>'));
    const expected = await stockLogits(`${base}/listed/model.json`);
    expect(await logitsOf(`${base}/listed`)).toEqual(expected);
    expect(await appLogits(`${base}/listed`)).toEqual(expected);
  });

  test('a query of the model.json and one of the weight file travel together', async () => {
    place('both', { 'model.json': json(['a.bin?v=2']), 'a.bin': tiny.data });
    asked.length = 0;
    await logitsOf(`${base}/both/model.json?token=x`);
    await appLogits(`${base}/both/model.json?token=x`);
    const twice = ['/both/model.json?token=x', '/both/a.bin?v=2&token=x'];
    expect(asked).toEqual([...twice, ...twice]);
  });

  test('files that were picked one by one, from folders of their own', async () => {
    const file = (name: string, bytes: Uint8Array | string) =>
      new File([bytes as Uint8Array<ArrayBuffer>], name);
    const picked = [file('net.json', json(['w/a.bin?v=1'])), file('a.bin', tiny.data)];
    place('picked', { 'model.json': json(['a.bin']), 'a.bin': tiny.data });
    expect(await appLogits(picked)).toEqual(await stockLogits(`${base}/picked/model.json`));
  });

  test('weights of other types, as its own decoder sizes them', async () => {
    const weights = [
      ...tiny.weights,
      { name: 'flag', shape: [3], dtype: 'bool' as const },
      { name: 'wave', shape: [2], dtype: 'complex64' as const },
      { name: 'step', shape: [], dtype: 'int32' as const },
    ];
    const data = new Uint8Array(392 + 3 + 16 + 4);
    data.set(tiny.data);
    expect(Object.keys(tf.io.decodeWeights(data.buffer, weights))).toHaveLength(5);
    const weightsManifest = [{ paths: ['a.bin'], weights }];
    const folder = place('typed', { 'model.json': json([], { weightsManifest }), 'a.bin': data });
    const { model } = await openModelArgument(folder, true);
    expect(model).toMatchObject({ shards: [{ bytes: { length: 415 } }] });
    place('typed', { 'a.bin': data.subarray(1) });
    const { message } = await failureOf(() => openModelArgument(folder, true));
    expect(message).toMatch(/has 414 bytes of weights, where model\.json describes 415/);
  });
});
