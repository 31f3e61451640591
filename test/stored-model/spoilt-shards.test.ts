/** Weight files of the right size that are wrong: each is named, with what it is and what to do. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  denseTensor,
  readCheckpoint,
  saveStateDict,
  type TensorView,
  toFloat32,
} from '../../src/checkpoint/index.js';
import type { StateDict } from '../../src/checkpoint/tensor/tensor.js';
import { type ConvertOptions, convertCheckpoint, type NamedBytes } from '../../src/index.js';
import { prepareBackend } from '../../src/runtimes/backends.js';
import { openStoredModel, readStoredModel } from '../../src/stored-model/open.js';
import { weightWarnings } from '../../src/stored-model/weight-warnings.js';
import { likelyOrder } from '../../src/verify/causes/shard-order.js';
import { weightFiles } from '../../src/verify/causes/weight-files.js';
import { type Golden, readGolden } from '../../src/verify/golden.js';
import { Laboratory } from '../../src/verify/laboratory.js';
import type { Verification, VerifyOptions } from '../../src/verify/verification.js';
import { verifyModel } from '../../src/verify/verify-model.js';
import { BUNDLED, convertBundled } from '../helpers/bundled.js';
import { GOLDEN } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';

const SMALL = { imageSize: 64, transformInput: false } as const;
const GOLDEN_FILE = join(GOLDEN, 'googlenet.64.layers.golden.pth.gz');
let golden: Golden;

beforeAll(async () => {
  const { input, logits, ...rest } = await readGolden(readFileSync(GOLDEN_FILE));
  golden = { input, logits, ...rest, activations: new Map() };
});

const shard = (number: number, of = 7) => `group1-shard${number}of${of}.bin`;

type Change = (bytes: Uint8Array) => Uint8Array;

/** The bundled model with some of its weight files changed. */
async function spoilt(changes: Readonly<Record<string, Change>>, options: ConvertOptions = {}) {
  const { files } = await convertBundled({ ...SMALL, ...options });
  for (const name of Object.keys(changes)) expect(files.map((file) => file.name)).toContain(name);
  return files.map(({ name, bytes }) => ({ name, bytes: changes[name]?.(bytes) ?? bytes }));
}

/** Files, each with the content of another one. */
async function exchanged(contents: Readonly<Record<string, string>>, options: ConvertOptions = {}) {
  const { files } = await convertBundled({ ...SMALL, ...options });
  const bytesOf = (wanted: string) => files.find(({ name }) => name === wanted)?.bytes;
  return files.map(({ name, bytes }) => ({ name, bytes: bytesOf(contents[name] ?? '') ?? bytes }));
}

async function causeOf(files: readonly NamedBytes[], options: VerifyOptions = {}) {
  const { passed, diagnosis }: Verification = await verifyModel(files, golden, options);
  expect(passed).toBe(false);
  return diagnosis?.cause;
}

const zeros: Change = (bytes) => new Uint8Array(bytes.length);

/** As `numpy.ndarray.byteswap` does it. */
const swapped =
  (size: number): Change =>
  (bytes) => {
    const copy = Buffer.from(bytes);
    return size === 4 ? copy.swap32() : copy.swap16();
  };

/** A text in a file as long as the weights. */
const text =
  (content: string, fill: string): Change =>
  ({ length }) =>
    Buffer.concat([Buffer.from(content), Buffer.alloc(length, fill)]).subarray(0, length);

const AGAIN = /[Cc]opy it again .* or convert the checkpoint again/;

describe('big-endian', () => {
  test('one file', async () => {
    const files = await spoilt({ [shard(3)]: swapped(4) });
    const cause = await causeOf(files);
    expect(cause).toMatchObject({ id: 'weight-file-big-endian', where: shard(3) });
    expect(cause?.summary).toMatch(
      /^the weight file group1-shard3of7\.bin holds big-endian numbers/,
    );
    expect(cause?.cure).toMatch(AGAIN);
    expect(cause?.errorAfter).toBeLessThan(5e-5);
    // Nothing else is said, although many of its numbers are none.
    expect(weightWarnings(openStoredModel(files))).toEqual([
      expect.stringMatching(/^the weight file group1-shard3of7\.bin holds big-endian .*; copy it/),
    ]);
  });

  test('all files, of a graph', SLOW, async () => {
    const all = Object.fromEntries([1, 2, 3, 4, 5, 6].map((i) => [shard(i), swapped(4)]));
    const cause = await causeOf(await spoilt(all, { format: 'graph' }));
    expect(cause).toMatchObject({ id: 'weight-file-big-endian', where: null });
  });

  test('halves of floats', SLOW, async () => {
    // The last file ends with the float32 bias of fc; the first holds biases between its kernels.
    const { files } = await convertBundled({ ...SMALL, quantization: 'float16' });
    const { weightsManifest } = JSON.parse(new TextDecoder().decode(files[0]?.bytes));
    let at = 0;
    const turned = Buffer.concat(files.slice(1).map(({ bytes }) => bytes));
    for (const { shape, quantization } of weightsManifest[0].weights) {
      const size = quantization === undefined ? 4 : 2;
      const end = at + size * shape.reduce((a: number, b: number) => a * b, 1);
      const stretch = turned.subarray(at, end);
      if (size === 4) stretch.swap32();
      else stretch.swap16();
      at = end;
    }
    at = 0;
    const big = files.slice(1).map(({ name, bytes }) => {
      at += bytes.length;
      return { name, bytes: new Uint8Array(turned.subarray(at - bytes.length, at)) };
    });
    const [json, first, ...rest] = files as [NamedBytes, NamedBytes, ...NamedBytes[]];
    const cause = await causeOf([json, big[0] as NamedBytes, ...rest]);
    expect(cause).toMatchObject({ id: 'weight-file-big-endian', where: first.name });
  });
});

describe('zeros alone', () => {
  test('one file, with the checkpoint or without', async () => {
    const files = await spoilt({ [shard(4)]: zeros });
    for (const checkpoint of [undefined, BUNDLED]) {
      const cause = await causeOf(files, { checkpoint });
      expect(cause).toMatchObject({ id: 'weight-file-zeros', where: shard(4) });
      expect(cause?.summary).toMatch(/^the weight file group1-shard4of7\.bin holds zeros alone/);
      expect(cause?.cure).toMatch(AGAIN);
    }
    expect(weightWarnings(openStoredModel(files))).toEqual([
      expect.stringMatching(
        /^the weight file group1-shard4of7\.bin holds zeros alone, .*; copy it/,
      ),
    ]);
  });

  test('several', SLOW, async () => {
    const cause = await causeOf(await spoilt({ [shard(2)]: zeros, [shard(6)]: zeros }));
    expect(cause?.summary).toMatch(
      /shard2of7\.bin holds zeros alone.*; likewise group1-shard6of7\.bin$/,
    );
  });

  test("a checkpoint's own zeros are not the file's fault", SLOW, async () => {
    const { value } = await readCheckpoint(BUNDLED);
    const entries = [...(value as ReadonlyMap<string, TensorView>)].map(([key, tensor]) => {
      const values = toFloat32(tensor).slice();
      // As long as the network's last files, from inception5a on.
      if (/^(inception5|fc)/.test(key) && /weight|bias|mean/.test(key)) values.fill(0);
      return [key, denseTensor('float32', tensor.shape, values)] as const;
    });
    const checkpoint = await saveStateDict(new Map(entries));
    const { files } = await convertCheckpoint(checkpoint, SMALL);
    const { stop } = await prepareBackend('wasm');
    const stateDict = (await readCheckpoint(checkpoint)).value as StateDict;
    const model = openStoredModel(files);
    const lab = new Laboratory(model, golden, 5e-5, null, { stateDict, branch3Kernel: 3 });
    const [suspect, ...others] = weightFiles(model)(lab);
    expect(suspect).toMatchObject({ id: 'weight-file-zeros' });
    expect(others).toEqual([]);
    expect(await lab.error(suspect?.variation ?? {})).toBeGreaterThan(0.1);
    lab.dispose();
    await stop();
  });
});

describe("under each other's names", () => {
  const circle = { [shard(2)]: shard(1), [shard(3)]: shard(2), [shard(1)]: shard(3) };
  const words =
    /: group1-shard1of7\.bin holds what belongs into group1-shard3of7\.bin, group1-shard2of7\.bin .* group1-shard1of7\.bin, group1-shard3of7\.bin .* group1-shard2of7\.bin$/;

  test('in a circle', async () => {
    const cause = await causeOf(await exchanged(circle));
    expect(cause).toMatchObject({ id: 'weight-file-order' });
    expect(cause?.summary).toMatch(words);
    expect(cause?.cure).toMatch(/Give each file its own name/);
    expect(cause?.errorAfter).toBeLessThan(5e-5);
  });

  test('nothing is said where they are right', async () => {
    for (const options of [{}, { quantization: 'uint8' }, { trainable: true }] as const) {
      const { files } = await convertBundled({ ...SMALL, ...options });
      const model = openStoredModel(files);
      expect(likelyOrder(model)).toEqual(new Map());
      expect(weightWarnings(model)).toEqual([]);
    }
  });

  const MORE: readonly [string, Readonly<Record<string, string>>, ConvertOptions][] = [
    ['two', { [shard(5)]: shard(6), [shard(6)]: shard(5) }, {}],
    ['the last, which is shorter', { [shard(2)]: shard(7), [shard(7)]: shard(2) }, {}],
    [
      'all but the last, in a circle',
      Object.fromEntries([1, 2, 3, 4, 5, 6].map((i) => [shard(i), shard((i % 6) + 1)])),
      {},
    ],
    ['those of a graph', circle, { format: 'graph' }],
    [
      'float16',
      { [shard(1, 4)]: shard(2, 4), [shard(2, 4)]: shard(3, 4), [shard(3, 4)]: shard(1, 4) },
      { quantization: 'float16' },
    ],
  ];
  test.each(MORE)('%s', SLOW, async (_, contents, options) => {
    const cause = await causeOf(await exchanged(contents, options));
    expect(cause).toMatchObject({ id: 'weight-file-order' });
    const places = Object.entries(contents).map(
      ([name, from]) => `${name} holds what belongs into ${from}`,
    );
    for (const place of places.slice(0, 1)) expect(cause?.summary).toContain(place);
  });
});

describe('another file', () => {
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 4194304\n`;
  const CASES: readonly [string, Change, RegExp][] = [
    ['a short page before zeros', text('<!DOCTYPE html><title>404</title>', '\0'), /HTML page/],
    ['a page in French', text('<html><title>Page non trouvée : désolé', ' '), /HTML page/],
    ['an LFS pointer', () => Buffer.from(pointer), /Git LFS pointer/],
    ['an LFS pointer, padded', text(pointer, '\0'), /Git LFS pointer/],
    ['a JSON text', text('{"message": "Not Found"}', ' '), /a JSON text/],
    ['a JSON text before zeros', text('{"message": "Not Found"}', '\0'), /a JSON text/],
    ['a short one in Greek', () => Buffer.from('{"μήνυμα": "δεν"}'), /a JSON text/],
  ];
  test.each(CASES)('%s is named, whoever verifies', async (_, change, what) => {
    const files = await spoilt({ [shard(2)]: change });
    const named = { code: 'model', message: expect.stringMatching(what) };
    await expect(verifyModel(files, golden)).rejects.toMatchObject(named);
    await expect(verifyModel(files, golden)).rejects.toThrow(
      /weight file group1-shard2of7\.bin is/,
    );
    await expect(readStoredModel(files)).rejects.toMatchObject(named);
  });
});
