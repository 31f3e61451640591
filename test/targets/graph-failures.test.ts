/** Graph models that are wrong or damaged: the cause is named. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { beforeAll, describe, expect, it, test } from 'vitest';
import { type Golden, type NamedBytes, verifyModel } from '../../src/index.js';
import { loadModel } from '../../src/verify/index.js';
import { BUNDLED } from '../helpers/bundled.js';
import { expectFailure, GOLDEN, pth2tfjs, temporaryFolder } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';
import { goldenOf, graphFor, LAYERED, TRANSFORMED } from './graphs.js';

const folder = temporaryFolder();

describe('why a graph fails', () => {
  let golden: Golden;
  beforeAll(async () => {
    const whole = await goldenOf(join(GOLDEN, LAYERED));
    golden = { ...whole, activations: new Map() };
  });

  const causeOf = async (files: readonly NamedBytes[], spoilt: Golden, checkpoint?: Uint8Array) => {
    const { passed, diagnosis } = await verifyModel(files, spoilt, { checkpoint });
    expect(passed).toBe(false);
    return diagnosis?.cause;
  };

  /** model.json with one node edited. */
  const edit = (files: readonly NamedBytes[], name: string, change: (node: never) => void) =>
    files.map((file) => {
      if (file.name !== 'model.json') return file;
      const json = JSON.parse(new TextDecoder().decode(file.bytes));
      change(json.modelTopology.node.find((node: { name: string }) => node.name === name) as never);
      return { name: file.name, bytes: new TextEncoder().encode(JSON.stringify(json)) };
    });

  it.each([
    ['normalized', false],
    ['pixels', false],
    ['normalized', true],
    ['pixels', true],
  ] as const)('%s, transform_input %o: the flag is the other one', SLOW, async (input, on) => {
    const path = join(GOLDEN, TRANSFORMED);
    const right = on ? golden : { ...(await goldenOf(path)), activations: new Map() };
    const files = await graphFor(right, input, { transformInput: on });
    const cause = await causeOf(files, right);
    expect(cause).toMatchObject({ id: 'transform-input' });
    expect(cause?.errorAfter).toBeLessThan(5e-5);
  });

  it('the images are in another order', SLOW, async () => {
    const files = await graphFor(golden, 'normalized');
    const [first, second] = [0, golden.numClasses].map((at) =>
      golden.logits.subarray(at, at + golden.numClasses),
    );
    const logits = Float32Array.from([...(second ?? []), ...(first ?? [])]);
    expect(await causeOf(files, { ...golden, logits })).toMatchObject({ id: 'image-order' });
  });

  it('the images are in BGR', async () => {
    const files = await graphFor(golden, 'normalized');
    const pixels = golden.shape[2] * golden.shape[3];
    const bgr = golden.input.map((_, i) => {
      const channel = Math.floor(i / pixels) % 3;
      return golden.input[i + (2 - 2 * channel) * pixels] as number;
    });
    expect(await causeOf(files, { ...golden, input: bgr })).toMatchObject({ id: 'input-bgr' });
  });

  it('a node that is not GoogLeNet’s, by its name', SLOW, async () => {
    const files = await graphFor(golden, 'pixels');
    const order = edit(files, 'inception4a', ({ input }: { input: string[] }) => {
      input.splice(0, 2, input[1] as string, input[0] as string);
    });
    const cause = await causeOf(order, golden);
    expect(cause).toMatchObject({ id: 'topology', where: 'inception4a' });
  });

  it('a weight that is not the checkpoint’s', SLOW, async () => {
    const files = await graphFor(golden, 'normalized');
    const spoilt = files.map(({ name, bytes }) => {
      if (!name.includes('shard3')) return { name, bytes };
      const changed = bytes.slice();
      new DataView(changed.buffer).setFloat32(4096, 1000, true);
      return { name, bytes: changed };
    });
    expect(await causeOf(spoilt, golden, BUNDLED)).toMatchObject({ id: 'corrupt-tensor' });
  });

  it('kernels that are stored in less', SLOW, async () => {
    const files = await graphFor(golden, 'normalized', { quantization: 'float16' });
    const strict = { tolerance: { rtol: 5e-5 } };
    for (const checkpoint of [undefined, BUNDLED]) {
      const { diagnosis } = await verifyModel(files, golden, { ...strict, checkpoint });
      expect(diagnosis?.cause).toMatchObject({ id: 'quantized-weights' });
      expect(diagnosis?.cause?.cure).toMatch(/`rtol: 1\.5e-2`\.$/);
    }
    expect((await verifyModel(files, golden)).passed).toBe(true);
  });

  it('weights under other names cannot be told', async () => {
    const files = await graphFor(golden, 'normalized', { transformInput: true });
    const renamed = files.map((file) => {
      if (file.name !== 'model.json') return file;
      const text = new TextDecoder().decode(file.bytes).replaceAll('conv1/kernel', 'first/kernel');
      return { name: file.name, bytes: new TextEncoder().encode(text) };
    });
    const { diagnosis } = await verifyModel(renamed, golden);
    expect(diagnosis).toMatchObject({
      cause: null,
      hints: [expect.stringMatching(/`format: 'layers'`/)],
    });
  });
});

describe('a damaged graph', () => {
  type Edit = (json: {
    signature?: unknown;
    modelTopology: { node: { name: string; op: string }[] };
    weightsManifest: [{ weights: { name: string }[] }];
  }) => void;

  async function edited(edit: Edit): Promise<NamedBytes[]> {
    const files = await graphFor(await goldenOf(join(GOLDEN, LAYERED)), 'normalized');
    const json = JSON.parse(new TextDecoder().decode(files[0]?.bytes));
    edit(json);
    const bytes = new TextEncoder().encode(JSON.stringify(json));
    return files.map((file) => (file.name === 'model.json' ? { ...file, bytes } : file));
  }

  const image = new Float32Array(64 * 64 * 3);

  beforeAll(() => tf.setBackend('wasm'));

  test.each<[string, Edit, RegExp]>([
    [
      'without a signature',
      (json) => {
        delete json.signature;
      },
      /does not take one square image/,
    ],
    [
      'with an operation that TensorFlow.js lacks',
      ({ modelTopology: { node } }) => {
        for (const each of node) if (each.name === 'conv2') each.op = 'Sorcery';
      },
      /cannot be (loaded|run): .*Sorcery/,
    ],
    [
      'with a weight under another name',
      ({ weightsManifest: [{ weights }] }) => {
        for (const each of weights) if (each.name === 'conv1/bias') each.name = 'bias';
      },
      /cannot be (loaded|run)/,
    ],
  ])('%s is refused', async (_, edit, message) => {
    const files = await edited(edit);
    const running = async () => {
      const model = await loadModel(files);
      await model.predict(image).finally(() => model.dispose());
    };
    await expect(running()).rejects.toMatchObject({
      code: 'model',
      message: expect.stringMatching(message),
    });
  });

  it('is refused by the command in one line', SLOW, async () => {
    const files = await edited(({ modelTopology: { node } }) => {
      for (const each of node) if (each.name === 'conv2') each.op = 'Sorcery';
    });
    const path = join(folder, 'damaged');
    mkdirSync(path);
    for (const { name, bytes } of files) writeFileSync(join(path, name), bytes);
    const run = await pth2tfjs('verify', path, '--golden', join(GOLDEN, LAYERED));
    expectFailure(run, 2, /Sorcery.*convert the checkpoint again/);
  });
});
