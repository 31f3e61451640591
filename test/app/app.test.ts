/** The app API, as Node and each backend in a browser must give it; the network at 64x64. */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { toBatch } from '../../src/app/input.js';
import {
  type Golden,
  type GoogLeNet,
  type GoogLeNetSource,
  type LoadProgress,
  loadGoogLeNet,
  type NamedBytes,
  readGolden,
} from '../../src/index.js';
import { batchNHWC, imageNHWC } from '../../src/verify/golden.js';
import {
  expectClose,
  fetchBytes,
  fetchModel,
  fetchText,
  registerBackends,
  urlOf,
} from '../helpers/app.js';
import { SLOW, SLOW_IN_BROWSERS, SLOW_ON_GPU, slowUnless } from '../helpers/tiers.js';

const backend = inject('backend');
const checkpoint = 'golden/googlenet.pth.gz';
const convert = { imageSize: 64, transformInput: false };
let golden: Golden;
let files: readonly NamedBytes[];

beforeAll(async () => {
  await registerBackends();
  golden = await readGolden(await fetchBytes('golden/googlenet.64.layers.golden.pth.gz'));
  files = await fetchModel('layers');
});

/** PyTorch's input of one image as a tensor that is normalised already. */
const normalised = (image: number) => tf.tensor3d(imageNHWC(golden, image), [64, 64, 3]);

const file = ({ name, bytes }: NamedBytes) => new File([bytes as Uint8Array<ArrayBuffer>], name);

/** Against PyTorch's logits of the first image; it can be no batch, so that slow backends get by. */
async function expectPyTorch(model: GoogLeNet): Promise<void> {
  const image = normalised(0);
  const { shape, data } = await model.logits(image);
  image.dispose();
  expect(shape).toEqual([1, 1000]);
  expectClose(data, golden.logits.subarray(0, 1000));
}

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
  // In Node the quick tier has it in graph.test.ts.
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

describe('sources', SLOW_IN_BROWSERS, () => {
  /** The SHA-256 of golden/README.md, after gunzip: what the model says that it was made of. */
  const SHA256 = '6ca9c6551a1d2ed1585e37c2beb2f00648ed47a552d07eccc5a316889f61108a';

  const sources: readonly [string, () => GoogLeNetSource | Promise<GoogLeNetSource>][] = [
    ['the URL of a model.json', () => urlOf('layers/model.json')],
    ['a URL object', () => new URL(urlOf('layers/model.json'))],
    ['the files of a folder', () => files.map(file)],
    ['an IOHandler', () => tf.io.http(urlOf('layers/model.json'))],
    ['a checkpoint by URL', () => urlOf(checkpoint)],
    ['a checkpoint’s bytes', () => fetchBytes(checkpoint)],
    ['a checkpoint’s buffer', async () => (await fetchBytes(checkpoint)).buffer],
    ['a checkpoint as a blob', async () => new Blob([await fetchBytes(checkpoint)])],
    ['a checkpoint as a file', async () => new File([await fetchBytes(checkpoint)], 'x.pth')],
    [
      'a checkpoint as the only file',
      async () => [new File([await fetchBytes(checkpoint)], 'x.pth')],
    ],
  ];
  for (const [name, source] of sources) {
    test(name, slowUnless(!name.startsWith('a checkpoint')), async () => {
      const model = await loadGoogLeNet(await source(), { convert });
      expect([model.numClasses, model.imageSize]).toEqual([1000, 64]);
      expect(model.provenance?.source?.sha256).toBe(SHA256);
      model.dispose();
    });
  }

  test('an IOHandler of the app, which knows of no provenance', async () => {
    const model = await loadGoogLeNet(handlerOf(files));
    expect(model.provenance).toBeNull();
    await expectPyTorch(model);
    model.dispose();
  });

  test('a query stays with the shards', async () => {
    (await loadGoogLeNet(urlOf('versioned/model.json?v=2'))).dispose();
    await expect(loadGoogLeNet(urlOf('versioned/model.json'))).rejects.toThrow(/HTTP 404/);
  });

  test.each([
    [
      'of a model.json',
      'layers/model.json',
      () => files.reduce((sum, { bytes }) => sum + bytes.length, 0),
    ],
    ['of a checkpoint', checkpoint, () => 4_228_584],
  ])('progress counts every byte %s', async (_, path, bytes) => {
    const told: LoadProgress[] = [];
    const onProgress = (progress: LoadProgress) => told.push(progress);
    (await loadGoogLeNet(urlOf(path), { onProgress, convert })).dispose();
    const downloads = told.filter(({ phase }) => phase === 'download');
    expect(downloads.at(-1)).toEqual({ phase: 'download', loaded: bytes(), total: bytes() });
    // A bar would jump if the total grew; only that of the model.json, which comes first, may differ.
    const sizes = new Set(downloads.map(({ total }) => total));
    expect(sizes.size).toBeLessThanOrEqual(2);
    const phases = path === checkpoint ? ['convert', 'build'] : ['download', 'build'];
    expect(told.slice(-2).map(({ phase }) => phase)).toEqual(phases);
    const loaded = told.map((each) => each.loaded);
    expect(loaded).toEqual(loaded.toSorted((a, b) => a - b));
    for (const { loaded, total } of told) expect(loaded).toBeLessThanOrEqual(total ?? Infinity);
  });

  test('progress of what is compressed on its way has no total', SLOW, async () => {
    const told: LoadProgress[] = [];
    const onProgress = (progress: LoadProgress) => told.push(progress);
    (await loadGoogLeNet(urlOf('gzipped'), { onProgress, convert })).dispose();
    const { length } = await fetchBytes('gzipped');
    expect(length).toBeGreaterThan(50e6);
    expect(told.at(-1)).toEqual({ phase: 'build', loaded: length, total: null });
    for (const { loaded, total } of told) expect(loaded).toBeLessThanOrEqual(total ?? Infinity);
  });

  test('a signal stops it', async () => {
    const stop = new AbortController();
    const onProgress = () => stop.abort(new Error('enough'));
    const options = { signal: stop.signal, onProgress };
    for (const source of [urlOf('layers/model.json'), await fetchBytes(checkpoint)]) {
      await expect(loadGoogLeNet(source, options)).rejects.toThrow('enough');
    }
  });

  test('a signal stops a download that waits', async () => {
    const stop = new AbortController();
    const options = {
      signal: stop.signal,
      onProgress: () => {
        setTimeout(() => stop.abort(new Error('enough')));
      },
    };
    await expect(loadGoogLeNet(urlOf('stalls'), options)).rejects.toThrow('enough');
  });

  test.each([
    ['a URL that leads nowhere', () => urlOf('none/model.json'), /HTTP 404/],
    ['a download that breaks off', () => urlOf('breaks'), /broke off/],
    ['a server that does not answer', () => 'http://127.0.0.1:1/', /cannot be fetched/],
    ['files without a model.json', () => files.slice(1).map(file), /no model\.json/],
    ['a folder that lacks a shard', () => files.slice(0, -1).map(file), /lacks the file group1/],
    ['bytes that are no checkpoint', () => new Uint8Array([1, 2, 3]), /./],
    ['nothing', () => undefined as never, /no model to load/],
    ['what is no source', () => 3 as never, /no model to load/],
  ])('%s is an error that says so', async (_, source, message) => {
    const before = tf.memory().numTensors;
    await expect(loadGoogLeNet(source())).rejects.toMatchObject({
      name: 'Pth2tfjsError',
      message: expect.stringMatching(message),
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  test.each([
    [
      'leads nowhere',
      () => `${urlOf('none/model.json')}?token=secret`,
      /none\/model\.json\?\.{3}$/,
    ],
    ['breaks off', () => `${urlOf('breaks')}?token=secret#secret`, /of http.*breaks\?\.{3} broke/],
    ['does not answer', () => 'http://127.0.0.1:1/x.pth?secret', /x\.pth\?\.{3} cannot/],
    ['has a password', () => 'http://me:secret@127.0.0.1:1/x.pth', /^http:\/\/127.* cannot/],
  ])('what a URL that %s may hold of secrets is in no message', async (_, url, message) => {
    const error = await loadGoogLeNet(url()).then(
      () => expect.fail('it was loaded'),
      (reason: Error) => reason,
    );
    expect(error.message).toMatch(message);
    expect(error.message).not.toMatch(/secret/);
  });
});

/** A handler such as an app writes for itself. */
function handlerOf([modelJSON, ...shards]: readonly NamedBytes[]): tf.io.IOHandler {
  const { modelTopology, weightsManifest } = JSON.parse(new TextDecoder().decode(modelJSON?.bytes));
  return {
    load: async () => ({
      modelTopology,
      weightSpecs: weightsManifest[0].weights,
      weightData: shards.map(({ bytes }) => bytes.buffer as ArrayBuffer),
    }),
  };
}

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
