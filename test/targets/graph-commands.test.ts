/** Our own commands, and the app API, on graph models. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { beforeAll, describe, expect, it } from 'vitest';
import { toPixels } from '../../src/image/imagenet.js';
import { preprocess } from '../../src/image/preprocess.js';
import { convertCheckpoint, loadGoogLeNet, verifyModel } from '../../src/index.js';
import { batchNHWC } from '../../src/verify/golden.js';
import { BUNDLED, CHECKPOINT } from '../helpers/bundled.js';
import { expectFailure, GOLDEN, pth2tfjs, temporaryFolder } from '../helpers/cli.js';
import { pixelsOf } from '../helpers/stock.js';
import { SLOW, slowUnless } from '../helpers/tiers.js';
import { goldenOf, graphFor, LAYERED, PLAIN, TRANSFORMED } from './graphs.js';

const folder = temporaryFolder();
const checkpoint = CHECKPOINT;
const photos = join(GOLDEN, 'photos');

const FROM_PIXELS = { format: 'graph', input: 'pixels', transformInput: false } as const;

const fromPixels = ['--format', 'graph', '--input', 'pixels', '--no-transform-input'];

describe('our own commands', () => {
  const small = join(folder, 'small');

  beforeAll(async () => {
    const sized = ['--image-size', '64'];
    const run = await pth2tfjs('convert', checkpoint, small, ...fromPixels, ...sized);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/^model +graph model, frozen and fused, for tf\.loadGraphModel$/m);
    expect(run.stdout).toMatch(/^input +NHWC, 64x64 RGB, int32 pixels from 0 to 255; the model/m);
  });

  it('verify passes, and says what it ran', async () => {
    const run = await pth2tfjs('verify', small, '--golden', join(GOLDEN, LAYERED));
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/^model .*, graph model that takes pixels, transform_input off$/m);
    expect(run.stdout).toMatch(/PASS: parity holds on wasm: 2 images/);
  });

  for (const name of ['wasm', 'cpu']) {
    it(
      `verify --layers compares all layers of PyTorch, on ${name}`,
      slowUnless(name === 'wasm'),
      async () => {
        const args = ['--golden', join(GOLDEN, LAYERED), '--layers', '--json', '--backend', name];
        const run = await pth2tfjs('verify', small, ...args);
        expect(run.status).toBe(0);
        const { layers, firstJump, unmatched } = JSON.parse(run.stdout).results[0].layers;
        expect([layers.length, firstJump, unmatched]).toEqual([81, null, []]);
        for (const { relativeError } of layers) expect(relativeError).toBeLessThan(5e-5);
      },
    );
  }

  it('--input pixels goes with graphs and ONNX only', async () => {
    const args = ['convert', checkpoint, join(folder, 'none'), '--input', 'pixels'];
    expectFailure(
      await pth2tfjs(...args),
      2,
      /--input pixels goes with --format graph or --format onnx/,
    );
    await expect(convertCheckpoint(BUNDLED, { input: 'pixels' })).rejects.toMatchObject({
      code: 'usage',
    });
  });

  it('a model that takes pixels refuses a golden file that was none, by its first odd value', async () => {
    const golden = await goldenOf(join(GOLDEN, LAYERED));
    const input = golden.input.with(5, 0.125);
    const files = await graphFor(golden, 'pixels');
    await expect(verifyModel(files, { ...golden, input })).rejects.toMatchObject({
      code: 'golden',
      message: expect.stringMatching(/holds 0\.125 in its input, which no normalised 8-bit pixel/),
      hint: expect.stringMatching(/`input: 'normalized'`/),
    });
    const report = await verifyModel(await graphFor(golden, 'normalized'), golden);
    expect(report.passed).toBe(true);
  });
});

describe('our own commands at 224x224', SLOW, () => {
  const out = join(folder, 'graph');

  beforeAll(async () => {
    const labels = ['--labels', 'imagenet', '--json'];
    const run = await pth2tfjs('convert', checkpoint, out, ...fromPixels, ...labels);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(JSON.parse(run.stdout)).toMatchObject({ format: 'graph', input: { kind: 'pixels' } });
  });

  it('verify passes', async () => {
    const run = await pth2tfjs('verify', out, '--golden', join(GOLDEN, PLAIN));
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/PASS: parity holds on wasm: 4 images/);
  });

  it('verify fails for another network, and names what is the matter', async () => {
    const run = await pth2tfjs('verify', out, '--golden', join(GOLDEN, TRANSFORMED));
    expect(run.status).toBe(1);
    expect(run.stdout).toMatch(/FAIL: parity fails on wasm/);
    expect(run.stdout).toMatch(
      /transform_input was on in PyTorch \(error .* -> .*\)\. Convert again/,
    );
    expect(run.stderr).toMatch(/^warning: the golden file says that transform_input was on/);
    expect(run.stderr).toMatch(/^pth2tfjs: parity fails on wasm: .*\n$/m);
  });

  it('classify gives torchvision’s classes and probabilities', async () => {
    const recorded = JSON.parse(readFileSync(join(photos, 'photos.json'), 'utf8')).photos;
    const paths = recorded.map(({ file }: { file: string }) => join(photos, file));
    const run = await pth2tfjs('classify', out, ...paths, '--json');
    expect(run).toMatchObject({ status: 0, stderr: '' });
    for (const [i, { predictions }] of JSON.parse(run.stdout).images.entries()) {
      for (const [rank, { index, probability }] of recorded[i].top5.entries()) {
        expect(predictions[rank].index).toBe(index);
        // What users are promised; see classify.test.ts.
        expect(Math.abs(predictions[rank].probability - probability)).toBeLessThan(1e-3);
      }
    }
  });
});

describe('loadGoogLeNet', () => {
  it('runs a graph from pixels, warmed up, and leaves no memory behind', async () => {
    const golden = await goldenOf(join(GOLDEN, LAYERED));
    const pixels = pixelsOf(golden);
    const before = tf.memory().numTensors;
    const convert = { ...FROM_PIXELS, imageSize: 64 };
    const model = await loadGoogLeNet(BUNDLED, { convert, warmUp: true });
    const loaded = tf.memory().numTensors;
    const images = tf.tensor4d(batchNHWC(golden), [2, 64, 64, 3]);
    const [first, second] = await model.classify(images, { topK: 1 });
    // As golden/README.md lists them.
    expect([first?.[0]?.index, second?.[0]?.index]).toEqual([352, 979]);
    const { shape } = await model.activation(images, 'inception4c');
    expect(shape).toEqual([2, 4, 4, 512]);
    const odd = tf.zeros<tf.Rank.R3>([64, 64, 3]);
    await expect(model.logits(odd)).rejects.toMatchObject({ code: 'image' });
    // Resizing is another matter: any 8-bit image will do.
    const photo = { data: pixels.subarray(0, 64 * 64 * 3), width: 64, height: 64 };
    expect(await model.classify(photo)).toHaveLength(5);
    tf.dispose([images, odd]);
    expect(tf.memory().numTensors).toBe(loaded);
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('takes every pixel value to the network unchanged', async () => {
    const size = 16;
    const data = Uint8Array.from({ length: size * size * 3 }, (_, i) => Math.floor(i / 3));
    // Of this size a crop takes all, so that nothing is resized: 18 is 16 * 256 / 224.
    const image = { data: pad(data, size, 18), width: 18, height: 18 };
    expect(toPixels(preprocess(image, { imageSize: size }))).toEqual(Int32Array.from(data));
  });
});

/** An RGB image in the middle of a larger, black one. */
function pad(data: Uint8Array, size: number, larger: number): Uint8Array {
  const out = new Uint8Array(larger * larger * 3);
  const edge = (larger - size) / 2;
  for (let y = 0; y < size; y++) {
    const row = data.subarray(y * size * 3, (y + 1) * size * 3);
    out.set(row, ((y + edge) * larger + edge) * 3);
  }
  return out;
}
