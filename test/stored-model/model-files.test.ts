/** The files of a model, wherever they lie: what stock TensorFlow.js loads is loaded, the rest is named. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import * as tf from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openModelArgument } from '../../cli/model-directory.js';
import { loadGoogLeNet, type Pth2tfjsError } from '../../src/index.js';
import { loadStored } from '../../src/runtimes/tfjs/load.js';
import { temporaryFolder } from '../helpers/cli.js';
import { saveTiny, TINY_IMAGE, type TinyModel, tinyJSON } from '../helpers/tiny-model.js';

const root = temporaryFolder();
let tiny: TinyModel;
let server: Server;
let base: string;
/** What was asked of the server. */
const asked: string[] = [];
/** Answers to paths, on top of the files. */
const answers = new Map<string, Uint8Array>();

beforeAll(async () => {
  tiny = await saveTiny();
  server = createServer(({ url = '' }, response) => {
    asked.push(url);
    const { pathname } = new URL(url, 'http://127.0.0.1');
    const bytes = answers.get(decodeURIComponent(pathname));
    response.writeHead(bytes === undefined ? 404 : 200).end(bytes ?? 'no such file');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** Puts files into a folder of their own, on the disk and on the server. */
function place(name: string, files: Readonly<Record<string, Uint8Array | string>>): string {
  for (const [path, content] of Object.entries(files)) {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    mkdirSync(dirname(join(root, name, path)), { recursive: true });
    writeFileSync(join(root, name, path), bytes);
    answers.set(`/${name}/${path}`, bytes);
  }
  return join(root, name);
}

const json = (paths: readonly string[], more?: object) =>
  JSON.stringify(tinyJSON(tiny, paths, more));

/** The logits that stock TensorFlow.js gives. */
async function stockLogits(handler: tf.io.IOHandler | string): Promise<Float32Array> {
  const model = await loadLayersModel(handler);
  const logits = model.predict(tf.tensor(TINY_IMAGE, [1, 4, 4, 3])) as tf.Tensor;
  const values = await logits.data<'float32'>();
  model.dispose();
  return values;
}

async function logitsOf(location: string): Promise<Float32Array> {
  const opened = await openModelArgument(location, true);
  const model = await loadStored(opened.model ?? expect.fail('a checkpoint'));
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

async function failureOf(work: () => Promise<unknown>): Promise<Pth2tfjsError> {
  const error = await work().then(
    () => expect.fail('it worked'),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'Pth2tfjsError' });
  return error as Pth2tfjsError;
}

/** What the command line and the app say of each location. */
async function failuresOf(...locations: readonly string[]): Promise<Pth2tfjsError[]> {
  const errors: Pth2tfjsError[] = [];
  for (const location of locations) {
    errors.push(await failureOf(() => openModelArgument(location, true)));
    errors.push(await failureOf(() => loadGoogLeNet(location)));
  }
  return errors;
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
    expect(model?.shards[0]?.bytes).toHaveLength(415);
    place('typed', { 'a.bin': data.subarray(1) });
    const { message } = await failureOf(() => openModelArgument(folder, true));
    expect(message).toMatch(/has 414 bytes of weights, where model\.json describes 415/);
  });
});

describe('a weight file that is another file', () => {
  const page = '<!DOCTYPE html>\n<title>404</title>';
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 200\n`;

  const wrong: readonly [string, () => Uint8Array | string, RegExp, RegExp][] = [
    ['a page', () => page, /b\.bin is an HTML page/, /download the file again/],
    // As long as the weights would be.
    ['a page of the right size', () => page.padEnd(192), /b\.bin is an HTML page/, /download/],
    ['an LFS pointer', () => pointer, /b\.bin is a Git LFS pointer/, /Git LFS/],
    ['gzip', () => gzipSync(tiny.data.subarray(200)), /b\.bin is a gzip file/, /unpacked/],
    ['a JSON text', () => '{"error": "not found"}', /b\.bin is a JSON text/, /copy the file again/],
    ['nothing', () => '', /b\.bin is an empty file/, /download the file again/],
    [
      'cut',
      () => tiny.data.subarray(200, 300),
      /300 bytes.*392; b\.bin has 100 in place of 192/,
      /copy/,
    ],
  ];

  test.each(wrong)('%s is named', async (name, content, message, hint) => {
    const folder = place(`wrong ${name}`, {
      'model.json': json(['a.bin', 'b.bin']),
      'a.bin': tiny.data.subarray(0, 200),
      'b.bin': content(),
    });
    const url = `${base}/${encodeURIComponent(`wrong ${name}`)}/model.json`;
    for (const error of await failuresOf(folder, url)) {
      expect(error.code).toBe('model');
      expect(error.message).toMatch(message);
      expect(error.hint).toMatch(hint);
    }
  });

  test('the first of several is told from the others by its size', async () => {
    const [a, b] = [tiny.data.subarray(0, 150), tiny.data.subarray(150, 300)];
    const paths = ['a.bin', 'b.bin', 'c.bin'];
    const files = { 'a.bin': a, 'b.bin': b, 'c.bin': tiny.data.subarray(300) };
    const folder = place('odd', { 'model.json': json(paths), ...files, 'a.bin': 'short' });
    const { message } = await failureOf(() => openModelArgument(folder, true));
    expect(message).toMatch(/247 bytes.*392; a\.bin has 5 in place of 150/);
  });

  test('a weight file that is absent', async () => {
    const folder = place('absent', { 'model.json': json(['a.bin']) });
    expect((await failureOf(() => openModelArgument(folder, true))).message).toMatch(
      /lacks a\.bin/,
    );
    expect((await failureOf(() => loadGoogLeNet(folder))).message).toMatch(/lacks the file a\.bin/);
    for (const open of [loadGoogLeNet, (url: string) => openModelArgument(url, true)]) {
      const { message } = await failureOf(() => open(`${base}/absent/model.json`));
      expect(message).toMatch(/HTTP 404 Not Found for .*\/absent\/a\.bin/);
    }
  });
});

describe('a model.json that is another file', () => {
  test.each([
    ['a page', '<!DOCTYPE html><title>404</title>', /model\.json is an HTML page/],
    ['an LFS pointer', 'version https://git-lfs.github.com/spec/v1', /is a Git LFS pointer/],
    ['cut', '{"modelTopology": {"class_name"', /no JSON/],
    ['nothing', '', /is an empty file/],
    ['gzip', gzipSync('{}'), /is a gzip file/],
  ])('%s is named', async (name, content, message) => {
    const folder = place(`json ${name}`, { 'model.json': content });
    const url = `${base}/${encodeURIComponent(`json ${name}`)}/model.json`;
    for (const error of await failuresOf(folder, join(folder, 'model.json'), url)) {
      expect([error.code, error.message]).toEqual(['model', expect.stringMatching(message)]);
    }
  });

  test('the text alone says what is missing', async () => {
    const text = json(['a.bin']);
    const sources = [new Blob([text]), new Response(text), new TextEncoder().encode(text)];
    for (const source of sources) {
      const { code, message, hint } = await failureOf(() => loadGoogLeNet(source));
      expect([code, message]).toEqual([
        'model',
        'a model.json alone has no weight files beside it',
      ]);
      expect(hint).toMatch(/pass its URL/);
    }
  });

  test('other JSON is left to what reads checkpoints', async () => {
    const folder = place('config', { 'config.json': '{"id2label": {"0": "cat"}}' });
    const { source } = await openModelArgument(join(folder, 'config.json'), true);
    expect(source?.name).toBe('config.json');
  });
});

describe('a weight file elsewhere', () => {
  test.each([
    '../../etc/passwd',
    'w/../../secret',
    '/etc/passwd',
    '//host/secret',
    'C:\\secret',
    '..\\secret',
    '\\\\host\\secret',
    'file:///etc/passwd',
    'https://example.com/a.bin',
    'data:,x',
    '%2e%2e/secret',
    '..%2fsecret',
    '..%5Csecret',
    '%2Fetc/passwd',
    '',
    '.',
    'a\0.bin',
  ])('%j is refused before anything is read', async (path) => {
    const folder = place('elsewhere', { 'model.json': json([path]) });
    asked.length = 0;
    for (const { code, message } of await failuresOf(folder, `${base}/elsewhere/model.json`)) {
      expect([code, message]).toEqual([
        'model',
        expect.stringMatching(/does not lie in the model's folder/),
      ]);
    }
    expect(asked.filter((url) => !url.endsWith('/model.json'))).toEqual([]);
  });
});

describe('a model.json that makes no sense', () => {
  test('is nested ten thousand deep', async () => {
    const deep = '['.repeat(10_000) + ']'.repeat(10_000);
    const text = json(['a.bin']).replace('"modelTopology":{', `"modelTopology":{"deep":${deep},`);
    const folder = place('deep', { 'model.json': text, 'a.bin': tiny.data });
    for (const { code, message } of await failuresOf(folder)) {
      expect([code, message]).toEqual(['model', expect.stringMatching(/nested too deeply/)]);
    }
  });

  // A browser's stock loader refuses it, too; others would run on the wrong weights.
  test('names a weight file twice', async () => {
    const half = tiny.data.subarray(0, 196);
    const folder = place('twice', { 'model.json': json(['a.bin', 'a.bin']), 'a.bin': half });
    for (const { code, message } of await failuresOf(folder)) {
      expect([code, message]).toEqual(['model', expect.stringMatching(/weight file a\.bin twice/)]);
    }
  });

  const spec = { name: 'fc/kernel', shape: [48, 2], dtype: 'float32' };
  const manifests: readonly (readonly [string, unknown])[] = [
    ['no list', {}],
    ['a group that is none', [null]],
    ['a group without paths', [{ weights: [] }]],
    ['a group without weights', [{ paths: [] }]],
    ['a path that is none', [{ paths: [null], weights: [spec] }]],
    ['a weight that is none', [{ paths: [], weights: [null] }]],
    ...[null, 'x', [-1], [1.5], ['2'], [2 ** 60]].map(
      (shape) =>
        [
          `the shape ${JSON.stringify(shape)}`,
          [{ paths: [], weights: [{ ...spec, shape }] }],
        ] as const,
    ),
    ...[null, 'float99', 5, undefined].map(
      (dtype) => [`the dtype ${dtype}`, [{ paths: [], weights: [{ ...spec, dtype }] }]] as const,
    ),
    ...[
      null,
      {},
      { dtype: 'uint8' },
      { dtype: 'uint8', min: 'x', scale: 1 },
      { dtype: 'int4' },
    ].map(
      (quantization) =>
        [
          `quantized ${JSON.stringify(quantization)}`,
          [{ paths: [], weights: [{ ...spec, quantization }] }],
        ] as const,
    ),
    ['no name', [{ paths: [], weights: [{ ...spec, name: 3 }] }]],
  ];

  test.each(manifests)('a manifest with %s', async (_, weightsManifest) => {
    const folder = place('senseless', { 'model.json': json([], { weightsManifest }) });
    for (const error of await failuresOf(folder)) {
      expect(error.code).toBe('model');
    }
  });

  test.each([null, 'x', 5, [], true])('a topology that is %j', async (modelTopology) => {
    const folder = place('senseless', { 'model.json': json([], { modelTopology }) });
    for (const error of await failuresOf(folder)) {
      expect(error.message).toMatch(/without topology or weights manifest/);
    }
  });
});
