/** What only Node has of the app API: paths. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { type LoadProgress, loadGoogLeNet } from '../../src/index.js';
import { fetchModel } from '../helpers/app.js';
import { GOLDEN, temporaryFolder } from '../helpers/cli.js';

const checkpoint = join(GOLDEN, 'googlenet.pth.gz');
// Characters that would end the path of a URL.
const folder = join(temporaryFolder(), 'c# models? 50%');

beforeAll(async () => {
  mkdirSync(folder);
  for (const { name, bytes } of await fetchModel('layers')) {
    writeFileSync(join(folder, name), bytes);
  }
});

test.each([
  ['a model.json', () => join(folder, 'model.json'), false],
  ['a checkpoint', () => checkpoint, true],
])('the path of %s', async (_, path, gzip) => {
  const model = await loadGoogLeNet(path(), { convert: { imageSize: 64 } });
  expect([model.imageSize, model.provenance?.source?.gzip]).toEqual([64, gzip]);
  model.dispose();
});

test('a path that leads nowhere is an error that says so', async () => {
  const path = join(folder, 'none', 'model.json');
  await expect(loadGoogLeNet(path)).rejects.toMatchObject({
    code: 'io',
    message: `${path} cannot be read`,
  });
});

test('progress of a path counts every byte', async () => {
  const told: LoadProgress[] = [];
  const options = { onProgress: (each: LoadProgress) => told.push(each) };
  (await loadGoogLeNet(checkpoint, { ...options, convert: { imageSize: 64 } })).dispose();
  const size = { loaded: 4_228_584, total: 4_228_584 };
  expect(told).toEqual(['download', 'convert', 'build'].map((phase) => ({ phase, ...size })));
});

test('a signal stops it', async () => {
  const stop = new AbortController();
  const onProgress = () => stop.abort(new Error('enough'));
  const options = { signal: stop.signal, onProgress };
  await expect(loadGoogLeNet(checkpoint, options)).rejects.toThrow('enough');
  await expect(loadGoogLeNet(checkpoint, options)).rejects.toThrow('enough');
});
