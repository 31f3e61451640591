/** What an app may load from, and what it is told meanwhile; in Node and in browsers. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import {
  type GoogLeNetSource,
  type LoadProgress,
  loadGoogLeNet,
  type NamedBytes,
} from '../../src/index.js';
import { fetchBytes, urlOf } from '../helpers/app.js';
import { SLOW, SLOW_IN_BROWSERS, slowUnless } from '../helpers/tiers.js';
import { checkpoint, convert, expectPyTorch, file, files } from './given.js';

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
