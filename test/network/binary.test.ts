/** A head of one logit, as BCEWithLogitsLoss trains it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { tensor3d } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { saveStateDict, toFloat32 } from '../../src/checkpoint/index.js';
import { denseTensor } from '../../src/checkpoint/tensor/dense-tensor.js';
import { convertCheckpoint, type Golden, loadGoogLeNet, readGolden } from '../../src/index.js';
import { prepareBackend } from '../../src/runtimes/backends.js';
import { imageNHWC } from '../../src/verify/golden.js';
import { bundledStateDict } from '../helpers/bundled.js';
import { GOLDEN, pth2tfjs, temporaryFolder } from '../helpers/cli.js';

const SMALL = { imageSize: 64, transformInput: false, crc32 };
let golden: Golden;
let bytes: Uint8Array;

beforeAll(async () => {
  await prepareBackend('wasm');
  golden = await readGolden(await readFile(join(GOLDEN, 'googlenet.64.layers.golden.pth.gz')));
  const network = [...(await bundledStateDict())].filter(([key]) => !key.startsWith('aux'));
  const stateDict = network.map(([key, tensor]) => {
    if (!key.startsWith('fc.')) return [key, tensor] as const;
    const [, ...sizes] = tensor.shape;
    const length = sizes.reduce((a, b) => a * b, 1);
    const values = toFloat32(tensor).slice(0, length);
    return [key, denseTensor('float32', [1, ...sizes], values)] as const;
  });
  bytes = saveStateDict(new Map(stateDict), { crc32 });
});

/** Of PyTorch's logit for class 0, which is the only one here. */
const sigmoid = (image: number) => 1 / (1 + Math.exp(-(golden.logits[image * 1000] as number)));

const predict = async (labels?: readonly string[]) => {
  const model = await loadGoogLeNet(bytes, { convert: SMALL, labels, onWarning: () => undefined });
  const images = [0, 1].map((image) => tensor3d(imageNHWC(golden, image), [64, 64, 3]));
  const rows = await model.classify(images);
  model.dispose();
  return rows;
};

/** Far above what float32 logits differ by. */
const CLOSE = 4;

test('its probability is the sigmoid of PyTorch’s logit', async () => {
  const rows = await predict();
  for (const [image, row] of rows.entries()) {
    expect(row).toEqual([{ className: 'positive', index: 0, probability: expect.any(Number) }]);
    expect(row[0]?.probability).toBeCloseTo(sigmoid(image), CLOSE);
    expect(row[0]?.probability).toBeLessThan(1);
  }
  expect(sigmoid(0)).not.toBeCloseTo(sigmoid(1), 1);
});

describe('labels', () => {
  test('are its name, or those of 0 and of 1, which it speaks for', async () => {
    const [one] = await predict(['hot dog']);
    expect(one).toMatchObject([{ className: 'hot dog', index: 0 }]);
    for (const [image, row] of (await predict(['other', 'hot dog'])).entries()) {
      const p = sigmoid(image);
      const both = [
        { className: 'other', index: 0, probability: expect.closeTo(1 - p, CLOSE) },
        { className: 'hot dog', index: 1, probability: expect.closeTo(p, CLOSE) },
      ];
      expect(row).toEqual(p > 0.5 ? both.reverse() : both);
    }
  });

  test('may be two in the model, not three', async () => {
    const labels = ['other', 'hot dog'];
    const { provenance } = await convertCheckpoint(bytes, { ...SMALL, labels });
    expect(provenance.labels).toEqual(labels);
    await expect(convertCheckpoint(bytes, { labels: ['a', 'b', 'c'] })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(/3 labels for a model of one logit/),
    });
  });
});

describe('the commands', () => {
  const folder = temporaryFolder();
  const [file, model] = [join(folder, 'one.pth'), join(folder, 'model')];
  const photo = join(GOLDEN, 'photos/photo.png');

  test('convert says so, and classify gives both classes', async () => {
    await writeFile(file, bytes);
    await writeFile(join(folder, 'labels.json'), '{"hot dog": 1, "other": 0}');
    const options = ['--no-transform-input', '--image-size', '64'];
    const converted = await pth2tfjs('convert', file, model, ...options);
    expect(converted.stderr).toMatch(/^warning: the network gives one logit, .* its sigmoid/);
    const labels = ['--labels', join(folder, 'labels.json')];
    const run = await pth2tfjs('classify', model, photo, ...labels, '--json');
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const [{ predictions }] = JSON.parse(run.stdout).images;
    const names = predictions.map(({ className }: { className: string }) => className).sort();
    expect(names).toEqual(['hot dog', 'other']);
    const [a, b] = predictions.map(({ probability }: { probability: number }) => probability);
    expect(a + b).toBeCloseTo(1, 12);
  });
});
