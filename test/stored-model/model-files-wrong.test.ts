/** Files in the place of a model’s that are none of it: they are named, wherever they lie. */
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openModelArgument } from '../../cli/model-directory.js';
import { loadGoogLeNet, type Pth2tfjsError } from '../../src/index.js';
import { asked, base, failureOf, json, place, tiny } from './model-files.js';

/** What the command line and the app say of each location. */
async function failuresOf(...locations: readonly string[]): Promise<Pth2tfjsError[]> {
  const errors: Pth2tfjsError[] = [];
  for (const location of locations) {
    errors.push(await failureOf(() => openModelArgument(location, true)));
    errors.push(await failureOf(() => loadGoogLeNet(location)));
  }
  return errors;
}

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
