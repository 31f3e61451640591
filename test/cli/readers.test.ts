/** What docs/cli.md says that every command reads, in each command: paths, URLs, and the options for them. */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readGoldenFile } from '../../cli/golden-file.js';
import { shownName } from '../../cli/input.js';
import { readLabels } from '../../cli/labels.js';
import { readModel } from '../../cli/model.js';
import { readSource } from '../../cli/source.js';
import { saveSafetensors } from '../../src/checkpoint/index.js';
import { convertToSafetensors } from '../../src/index.js';
import { inspectCheckpoint } from '../../src/inspect.js';
import { BUNDLED, CHECKPOINT } from '../helpers/bundled.js';
import { expectFailure, GOLDEN, pth2tfjs } from '../helpers/cli.js';
import { SLOW, slowUnless } from '../helpers/tiers.js';
import { folder, golden, model, packed, photo } from './readers.js';

const SHA256 = createHash('sha256').update(BUNDLED).digest('hex');
/** Model and optimizer, as PyTorch saved them. */
const training = join(GOLDEN, 'torch-1.13', 'training.pth');
const safetensors = join(folder, 'googlenet.safetensors');
let server: Server;
let base: string;

beforeAll(async () => {
  writeFileSync(safetensors, (await convertToSafetensors(BUNDLED)).bytes);
  const hashed = `/files/googlenet-${SHA256.slice(0, 8)}.pth`;
  const page = '<!DOCTYPE html><title>Sorry</title><p>This file is gone.</p>';
  server = createServer(({ url = '' }, response) => {
    const { pathname } = new URL(url, 'http://127.0.0.1');
    if (pathname === '/latest') response.writeHead(302, { location: hashed }).end();
    else if (pathname === '/other')
      response.writeHead(302, { location: '/files/x-12345abc.pth' }).end();
    else if (pathname === '/page.pth') response.end(page);
    else if (pathname.startsWith('/files/')) response.end(BUNDLED);
    else response.writeHead(404).end(page);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const args = (location: string) => ({
  model: location,
  quiet: true,
  key: undefined,
  transformInput: undefined,
  imageSize: 64,
  checkHash: true,
});

describe('verify and classify read a model from', () => {
  const places: readonly [string, () => string, boolean][] = [
    ['a path', () => CHECKPOINT, true],
    ['a gzipped file', () => packed, false],
    ['a safetensors file', () => safetensors, false],
    ['a file: URL', () => pathToFileURL(CHECKPOINT).href, false],
    ['a URL', () => `${base}/files/x.pth?token=y`, true],
    ['a short URL that leads to a hashed name', () => `${base}/latest`, true],
  ];
  for (const [name, location, quick] of places) {
    test(name, slowUnless(quick), async () => {
      const { models, warnings } = await readModel(args(location()));
      const source = models[0].provenance?.source;
      expect([SHA256]).toContain(source?.origin?.sha256 ?? source?.sha256);
      expect(warnings).toEqual([expect.stringMatching(/^transform_input is taken to be off/)]);
    });
  }

  test('a converted folder, whose options are settled', async () => {
    const given = { ...args(model), imageSize: undefined };
    expect((await readModel(given)).warnings).toEqual([]);
    for (const option of [{ key: 'x' }, { transformInput: true }, { imageSize: 64 }]) {
      await expect(readModel({ ...given, ...option })).rejects.toThrow(/go with a checkpoint/);
    }
  });
});

describe('the hash in a name', () => {
  test('is that of the place that a short URL leads to', SLOW, async () => {
    expect((await readSource(`${base}/latest`)).name).toBe(`googlenet-${SHA256.slice(0, 8)}.pth`);
    await expect(readModel(args(`${base}/other`))).rejects.toMatchObject({
      code: 'hash-mismatch',
      message: expect.stringMatching(/^x-12345abc\.pth: .* starts with 12345abc, it is 6ca9c655/),
    });
    const { models } = await readModel({ ...args(`${base}/other`), checkHash: false });
    expect(models).toMatchObject([{ shards: { length: 7 } }]);
  });

  test('is checked by inspect, too', SLOW, async () => {
    const wrong = join(folder, 'googlenet-1378be20.pth');
    const dated = join(folder, 'googlenet-20240115.pth');
    for (const path of [wrong, dated]) copyFileSync(training, path);
    expectFailure(await pth2tfjs('inspect', wrong), 2, /starts with 1378be20, .*--no-check-hash/);
    expect((await pth2tfjs('inspect', wrong, '--no-check-hash')).status).toBe(0);
    const run = await pth2tfjs('inspect', dated);
    expect(run).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/^warning: the 20240115 .* taken for a date\n$/),
    });
  });
});

describe('inspect', () => {
  test('of a training checkpoint, whole and by key', async () => {
    const bytes = readFileSync(training);
    const keys = async (key?: string) =>
      (await inspectCheckpoint(bytes, { key })).tensors.map((each) => each.key);
    const all = await keys();
    const inModel = all.filter((key) => key.startsWith('state_dict.'));
    expect(inModel.length).toBeGreaterThan(0);
    expect(inModel.length).toBeLessThan(all.length);
    expect(await keys('state_dict')).toEqual(inModel);
    expect(await keys('.')).toEqual(all);
    await expect(keys('nowhere')).rejects.toMatchObject({ code: 'no-state-dict' });
    const run = await pth2tfjs('inspect', training, '--key', 'state_dict');
    expect(run.stdout).toMatch(new RegExp(`^${inModel.length} tensors$`, 'm'));
  });

  test('tells transform_input: as asked, as noted, or that nothing tells', async () => {
    const told = async (bytes: Uint8Array, transformInput?: boolean) =>
      (await inspectCheckpoint(bytes, { transformInput })).transformInput;
    const bytes = readFileSync(training);
    expect(await told(bytes)).toBeNull();
    expect(await told(bytes, true)).toBe(true);
    const noted = saveSafetensors(new Map(), new Map([['transform_input', 'true']]));
    expect(await told(noted)).toBe(true);
    expect(await told(noted, false)).toBe(false);
  });

  test('of one tensor counts one', async () => {
    const { stdout } = await pth2tfjs('inspect', join(GOLDEN, 'torch-1.13', 'dtype-bool.pth'));
    expect(stdout).toMatch(/^1 tensor\n\. +bool +\[5\]$/m);
  });

  test('of a converted model, by folder and by model.json', async () => {
    const { stdout, stderr, status } = await pth2tfjs('inspect', model);
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    expect(stdout).toMatch(/: layers model of TensorFlow\.js, 8 files, \d+(,\d{3})+ bytes\n/);
    expect(stdout).toMatch(new RegExp(`SHA-256 ${SHA256}\n`));
    expect(stdout).toMatch(/^conv1\/kernel +float32 +\[7, 7, 3, 64\]$/m);
    const json = await pth2tfjs('inspect', join(model, 'model.json'), '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({
      format: 'layers',
      files: 8,
      provenance: { source: { sha256: SHA256 }, transformInput: false },
    });
    expectFailure(await pth2tfjs('inspect', model, '--key', 'x'), 2, /go with a checkpoint/);
  });
});

describe('other inputs', () => {
  test('golden files and labels by file: URL', async () => {
    const { numClasses } = await readGoldenFile(pathToFileURL(golden).href, true);
    expect(numClasses).toBe(1000);
    const path = join(folder, 'labels.txt');
    writeFileSync(path, 'cat\ndog\n');
    expect(await readLabels(pathToFileURL(path).href)).toEqual({ labels: ['cat', 'dog'] });
  });

  test('a page with HTTP 200 in place of a checkpoint is named', async () => {
    await expect(readModel(args(`${base}/page.pth`))).rejects.toMatchObject({
      code: 'unsupported-format',
      message: expect.stringMatching(/\/page\.pth: .*an HTML page/),
      hint: expect.stringMatching(/look at the page for the reason/),
    });
  });

  test('nothing secret of a URL is shown', async () => {
    const secret = base.replace('//', '//user:secret@');
    expect(shownName(`${secret}/a/b.pth?sig=secret#secret`)).toBe(`${base}/a/b.pth?...`);
    for (const path of [
      '/page.pth?sig=secret',
      '/none.pth?sig=secret',
      '/files/x-12345abc.pth?sig=secret',
    ]) {
      const error: unknown = await readModel(args(`${secret}${path}`)).catch((reason) => reason);
      expect(error).toMatchObject({ name: 'Pth2tfjsError' });
      expect(String(error)).not.toMatch(/secret/);
    }
  });

  test.each([
    ['ftp://host/x.pth', /cannot read ftp: URLs/],
    ['file://elsewhere/x.pth', /leads to no file/],
    ['http://', /not a valid URL/],
    ['', /no such file: ''/],
  ])('%j says what it takes', async (location, message) => {
    await expect(readModel(args(location))).rejects.toThrow(message);
  });
});

test('--force does not replace the folder of a checkpoint that is given by a file: URL', async () => {
  const out = join(folder, 'holder');
  mkdirSync(out);
  const inside = join(out, 'x.pth');
  copyFileSync(training, inside);
  const run = await pth2tfjs('convert', pathToFileURL(inside).href, out, '--force');
  expectFailure(run, 2, /lies inside .*, which --force would replace/);
  expect(existsSync(inside)).toBe(true);
});

describe('calls that make no sense', () => {
  const calls: readonly (readonly [readonly string[], RegExp])[] = [
    [
      ['inspect', packed, '--transform-input=maybe'],
      /--transform-input is "maybe"; it takes true or false/,
    ],
    [['export', packed, join(folder, 'x.pth')], /is a file, not the folder of a model/],
    // The same of others.
    [['inspect'], /inspect needs <checkpoint>/],
    [['classify', model, photo, '--backend', 'abacus'], /--backend is "abacus"; there are /],
    [['inspect', packed, packed], /unknown argument: /],
    [['inspect', packed, '--quiet'], /unknown argument: quiet/],
    [['inspect', packed, '--image-size', '64'], /unknown argument: image-?size/i],
    [['export', model], /export needs <model> and <file>/],
    [
      ['export', model, join(folder, 'x.pth'), '--dtype', 'float8'],
      /--dtype is "float8"; there are "float32"/,
    ],
    [['classify', model], /classify needs <model> and <images\.\.>/],
    [['classify', model, photo, '--quiet=yes'], /--quiet is "yes"/],
  ];
  for (const [i, [call, message]] of calls.entries()) {
    test(call.join(' '), slowUnless(i < 2), async () => {
      expectFailure(await pth2tfjs(...call), 2, message);
    });
  }
});
