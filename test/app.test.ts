import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  convertCheckpoint,
  type Golden,
  type GoogLeNet,
  type LoadProgress,
  loadGoogLeNet,
  type NamedBytes,
  readGolden,
} from '../src/index.js';
import { batchNHWC, imageNHWC } from '../src/verify/golden.js';
import { GOLDEN, temporaryFolder } from './helpers/cli.js';

/** The bound of `verify`; its reason stands in src/verify/tolerance.ts. */
const BOUND = 5e-5;
const folder = temporaryFolder();
const checkpoint = join(GOLDEN, 'googlenet.pth.gz');
const convert = { imageSize: 64, transformInput: false };
let golden: Golden;
let files: readonly NamedBytes[];

beforeAll(async () => {
  golden = await readGolden(readFileSync(join(GOLDEN, 'googlenet.64.layers.golden.pth.gz')));
  files = (await convertCheckpoint(readFileSync(checkpoint), convert)).files;
  for (const { name, bytes } of files) writeFileSync(join(folder, name), bytes);
});

/** PyTorch's input of one image as a tensor that is normalised already. */
const normalised = (image: number) => tf.tensor3d(imageNHWC(golden, image), [64, 64, 3]);

function relativeError(expected: Float32Array, actual: Float32Array): number {
  expect(actual).toHaveLength(expected.length);
  const square = (sum: number, value: number) => sum + value ** 2;
  const difference = actual.map((value, i) => value - (expected[i] as number));
  return Math.sqrt(difference.reduce(square, 0) / expected.reduce(square, 0));
}

async function expectPyTorch(model: GoogLeNet): Promise<void> {
  const images = [normalised(0), normalised(1)];
  const { shape, data } = await model.logits(images);
  expect(shape).toEqual([2, 1000]);
  expect(relativeError(golden.logits, data)).toBeLessThan(BOUND);
  tf.dispose(images);
}

describe('what PyTorch gives', () => {
  let model: GoogLeNet;

  beforeAll(async () => {
    model = await loadGoogLeNet(join(folder, 'model.json'));
  });
  afterAll(() => model.dispose());

  test('logits of one image and of a batch', async () => {
    await expectPyTorch(model);
    const { shape, data } = await model.logits(normalised(1));
    expect(shape).toEqual([1, 1000]);
    expect(relativeError(golden.logits.subarray(1000), data)).toBeLessThan(BOUND);
  });

  test('features, and any layer, channels last', async () => {
    const pooled = golden.activations.get('avgpool');
    const features = await model.embed([normalised(0), normalised(1)]);
    expect(features.shape).toEqual([2, 1024]);
    expect(relativeError(pooled?.data as Float32Array, features.data)).toBeLessThan(BOUND);
    const layer = await model.activation(normalised(0), 'inception4c');
    expect(layer.shape).toEqual([1, 4, 4, 512]);
    const recorded = golden.activations.get('inception4c')?.data as Float32Array;
    const channel = 300;
    const first = layer.data.filter((_, i) => i % 512 === channel);
    const wanted = recorded.subarray(channel * 16, (channel + 1) * 16);
    expect(relativeError(wanted, first)).toBeLessThan(BOUND);
    await expect(model.activation(normalised(0), 'layer4')).rejects.toThrow(/no layer 'layer4'/);
  });

  test('the classes, by PyTorch’s order, with probabilities that sum to 1', async () => {
    const [first, second] = await model.classify([normalised(0), normalised(1)], { topK: 1000 });
    // As golden/README.md lists them: top-1 of images 1 and 3 at 64x64.
    expect([first?.[0]?.index, second?.[0]?.index]).toEqual([352, 979]);
    const sum = first?.reduce((total, { probability }) => total + probability, 0);
    expect(sum).toBeCloseTo(1, 12);
    const best = await model.classify(normalised(0));
    expect(best).toHaveLength(5);
    expect(best[0]).toMatchObject({ index: 352, className: 'class 352' });
  });
});

describe('sources', () => {
  let server: Server;
  let base: string;
  const seen: string[] = [];
  let sayStalled: () => void;
  const stalled = new Promise<void>((resolve) => {
    sayStalled = resolve;
  });

  beforeAll(async () => {
    server = createServer(({ url = '/' }, response) => {
      seen.push(url);
      if (url === '/stalls/model.json') {
        response.writeHead(200, { 'content-length': 1000 });
        response.write('{"format', sayStalled);
        return;
      }
      const name = url.replace(/^\/|\?.*$/g, '');
      const found = files.find((file) => file.name === name);
      const bytes = name === 'net.pth.gz' ? readFileSync(checkpoint) : found?.bytes;
      response.writeHead(bytes === undefined ? 404 : 200, { 'content-length': bytes?.length ?? 0 });
      response.end(bytes);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const file = ({ name, bytes }: NamedBytes) => new File([bytes as Uint8Array<ArrayBuffer>], name);

  test.each([
    ['the URL of a model.json', () => `${base}/model.json`],
    ['a URL object', () => new URL(`${base}/model.json`)],
    ['the files of a folder', () => files.map(file)],
    [
      'a checkpoint that was picked',
      () => [file({ name: 'net.pth', bytes: readFileSync(checkpoint) })],
    ],
    ['a checkpoint by URL', () => `${base}/net.pth.gz`],
    ['a checkpoint by path', () => checkpoint],
    ['a checkpoint’s bytes', () => readFileSync(checkpoint)],
    ['a checkpoint as a blob', () => new Blob([readFileSync(checkpoint)])],
    ['an IOHandler', () => handlerOf(files)],
  ])('%s', async (_, source) => {
    const model = await loadGoogLeNet(source(), { convert });
    expect([model.numClasses, model.imageSize]).toEqual([1000, 64]);
    await expectPyTorch(model);
    model.dispose();
  });

  test('a query stays with the shards', async () => {
    seen.length = 0;
    (await loadGoogLeNet(`${base}/model.json?v=2`)).dispose();
    expect(seen).toHaveLength(files.length);
    for (const url of seen) expect(url).toMatch(/\?v=2$/);
  });

  test('progress counts every byte', async () => {
    const told: LoadProgress[] = [];
    const onProgress = (progress: LoadProgress) => told.push(progress);
    (await loadGoogLeNet(`${base}/model.json`, { onProgress, warmUp: true })).dispose();
    const bytes = files.reduce((sum, each) => sum + each.bytes.length, 0);
    expect(told.findLast(({ phase }) => phase === 'download')).toMatchObject({ loaded: bytes });
    expect(told.slice(-2).map(({ phase }) => phase)).toEqual(['build', 'warm-up']);
    const loaded = told.map((each) => each.loaded);
    expect(loaded).toEqual(loaded.toSorted((a, b) => a - b));
  });

  test('a signal stops it', async () => {
    const stop = new AbortController();
    const onProgress = () => stop.abort(new Error('enough'));
    const options = { signal: stop.signal, onProgress };
    await expect(loadGoogLeNet(`${base}/model.json`, options)).rejects.toThrow('enough');
    await expect(loadGoogLeNet(checkpoint, options)).rejects.toThrow('enough');
  });

  test('a signal stops a download that waits', async () => {
    const stop = new AbortController();
    const loading = loadGoogLeNet(`${base}/stalls/model.json`, { signal: stop.signal });
    await stalled;
    stop.abort(new Error('enough'));
    await expect(loading).rejects.toThrow('enough');
  });

  test.each([
    ['a URL that leads nowhere', () => `${base}/none/model.json`, /HTTP 404/],
    ['a path that leads nowhere', () => join(folder, 'none', 'model.json'), /cannot be read/],
    ['files without a model.json', () => files.slice(1).map(file), /no model\.json/],
    ['a folder that lacks a shard', () => files.slice(0, -1).map(file), /lacks the file group1/],
    ['bytes that are no checkpoint', () => new Uint8Array([1, 2, 3]), /./],
  ])('%s is an error that says so', async (_, source, message) => {
    const before = tf.memory().numTensors;
    await expect(loadGoogLeNet(source())).rejects.toMatchObject({
      name: 'Pth2tfjsError',
      message: expect.stringMatching(message),
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});

/** A handler such as an app writes for itself. */
function handlerOf(all: readonly NamedBytes[]): tf.io.IOHandler {
  const [modelJSON, ...shards] = all;
  const { modelTopology, weightsManifest } = JSON.parse(new TextDecoder().decode(modelJSON?.bytes));
  return {
    load: async () => ({
      modelTopology,
      weightSpecs: weightsManifest[0].weights,
      weightData: Buffer.concat(shards.map(({ bytes }) => bytes)).buffer,
    }),
  };
}

describe('input', () => {
  let model: GoogLeNet;

  beforeAll(async () => {
    const labels = Array.from({ length: 1000 }, (_, i) => `label ${i}`);
    model = await loadGoogLeNet(
      files.map(({ name, bytes }) => new File([bytes as never], name)),
      {
        labels,
      },
    );
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
    const { data } = await model.logits([
      { data: rgb, width, height },
      { data: rgba, width, height },
      tensor,
    ]);
    tensor.dispose();
    expect(data.subarray(1000, 2000)).toEqual(data.subarray(0, 1000));
    expect(data.subarray(2000)).toEqual(data.subarray(0, 1000));
    expect((await model.classify({ data: rgb, width, height }))[0]?.className).toMatch(/^label \d/);
  });

  test('a tensor of several images is a batch, of pixels or normalised', async () => {
    const pixels = [rgb, rgb.toReversed()];
    const expected = await model.logits(pixels.map((data) => ({ data, width, height })));
    const all = Int32Array.from([...rgb, ...rgb.toReversed()]);
    const batch = tf.tensor4d(all, [2, height, width, 3], 'int32');
    expect(await model.logits(batch)).toEqual(expected);
    expect(await model.classify(batch, { topK: 3 })).toHaveLength(2);
    const inputs = tf.tensor4d(batchNHWC(golden), [2, 64, 64, 3]);
    const { data } = await model.logits(inputs);
    expect(relativeError(golden.logits, data)).toBeLessThan(BOUND);
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
    tf.dispose([wrong, flat, none, batch]);
  });

  test('labels that were kept in the model, and those of the app before them', async () => {
    const kept = Array.from({ length: 1000 }, (_, i) => `kept ${i}`);
    const source = readFileSync(checkpoint);
    const named = await loadGoogLeNet(source, { convert: { ...convert, labels: kept } });
    const picture = { data: rgb, width, height };
    const [best] = await named.classify(picture);
    expect(best?.className).toBe(`kept ${best?.index}`);
    named.dispose();
    const labels = kept.toReversed();
    const other = await loadGoogLeNet(source, { labels, convert: { ...convert, labels: kept } });
    expect((await other.classify(picture))[0]?.className).toBe(`kept ${999 - (best?.index ?? 0)}`);
    other.dispose();
  });

  test('labels must be as many as classes', async () => {
    const before = tf.memory().numTensors;
    const source = files.map(({ name, bytes }) => new File([bytes as never], name));
    await expect(loadGoogLeNet(source, { labels: ['cat', 'dog'] })).rejects.toThrow(
      /2 labels for a model of 1000 classes/,
    );
    expect(tf.memory().numTensors).toBe(before);
  });
});

test('100 classifications leave no tensor behind, and dispose leaves none at all', async () => {
  const before = tf.memory().numTensors;
  const model = await loadGoogLeNet(join(folder, 'model.json'), { warmUp: true });
  const loaded = tf.memory().numTensors;
  const image = { data: new Uint8Array(64 * 64 * 3).fill(90), width: 64, height: 64 };
  for (let i = 0; i < 100; i++) await model.classify(image);
  await model.embed(image);
  expect(tf.memory().numTensors).toBe(loaded);
  model.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
