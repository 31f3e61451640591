/** A model as it is stored: read once, whoever reads it, and given to TensorFlow.js as it lies there. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import yargs, { type CommandModule } from 'yargs';
import { COMMANDS } from '../../cli/commands.js';
import { concatenate, sliceOf } from '../../src/base/bytes.js';
import { type ConvertOptions, loadGoogLeNet, type NamedBytes } from '../../src/index.js';
import { prepareBackend } from '../../src/runtimes/backends.js';
import { loadStored } from '../../src/runtimes/tfjs/load.js';
import { openStoredModel } from '../../src/stored-model/open.js';
import { findSpoiltShards } from '../../src/stored-model/spoilt-shards.js';
import { StoredModel } from '../../src/stored-model/stored-model.js';
import { CHECKPOINT, convertBundled } from '../helpers/bundled.js';
import { GOLDEN, temporaryFolder } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';
import { saveTiny, TINY_IMAGE, tinyFiles, tinyJSON } from '../helpers/tiny-model.js';

const OPTIONS: ConvertOptions = { imageSize: 64, transformInput: false };
const TRAINABLE: ConvertOptions = { ...OPTIONS, trainable: true };
const GOLDEN_FILE = join(GOLDEN, 'googlenet.64.layers.golden.pth.gz');
const PHOTO = join(GOLDEN, 'photos', 'photo.jpg');
const tmp = temporaryFolder();

/** Writes a model to a folder of its own. */
function place(name: string, files: readonly NamedBytes[]): string {
  const folder = join(tmp, name);
  mkdirSync(folder);
  for (const file of files) writeFileSync(join(folder, file.name), file.bytes);
  return folder;
}

describe('model.json is parsed once by', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** How often each text with the layers of a model was parsed. */
  async function parses(work: () => Promise<unknown>): Promise<readonly number[]> {
    const parse = vi.spyOn(JSON, 'parse');
    await work();
    const counts = new Map<string, number>();
    for (const [text] of parse.mock.calls) {
      if (text.includes('"modelTopology"')) counts.set(text, (counts.get(text) ?? 0) + 1);
    }
    return [...counts.values()];
  }

  /** A command, as a call. */
  const call =
    (name: string, ...args: readonly string[]) =>
    async () => {
      const command = { ...COMMANDS.get(name), ...(await COMMANDS.get(name)?.load()) };
      await yargs([name, ...args, '--quiet'])
        .command(command as CommandModule)
        .fail(false)
        .parseAsync();
    };

  let folder: string;
  let trainable: string;
  beforeAll(async () => {
    folder = place('model', (await convertBundled(OPTIONS)).files);
    trainable = place('trainable', (await convertBundled(TRAINABLE)).files);
  });

  test('verify', async () => {
    const args = [folder, '--golden', GOLDEN_FILE, '--checkpoint', CHECKPOINT];
    expect(await parses(call('verify', ...args))).toEqual([1]);
  });

  test('verify, of a checkpoint', async () => {
    const args = [CHECKPOINT, '--no-transform-input', '--golden', GOLDEN_FILE];
    expect(await parses(call('verify', ...args))).toEqual([1]);
  });

  test('verify, where it looks for a cause', SLOW, async () => {
    const { files } = await convertBundled({ ...OPTIONS, transformInput: true });
    const args = [place('failing', files), '--golden', GOLDEN_FILE];
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    expect(await parses(call('verify', ...args))).toEqual([1]);
    expect(process.exitCode).toBe(1);
    process.exitCode = undefined;
  });

  test('classify', async () => {
    expect(await parses(call('classify', folder, PHOTO))).toEqual([1]);
  });

  test('export', async () => {
    const args = [trainable, join(tmp, 'exported.pth')];
    expect(await parses(call('export', ...args))).toEqual([1]);
  });

  test('inspect', async () => {
    vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    expect(await parses(call('inspect', folder))).toEqual([1]);
  });

  test('loadGoogLeNet', async () => {
    const load = async () => (await loadGoogLeNet(folder)).dispose();
    expect(await parses(load)).toEqual([1]);
  });

  // The one that was written, and one for each way of storing the same weights in less.
  test('convert --golden, which reads four', async () => {
    const args = [CHECKPOINT, join(tmp, 'out'), '--golden', GOLDEN_FILE];
    const once = [1, 1, 1, 1];
    expect(await parses(call('convert', ...args, '--no-transform-input'))).toEqual(once);
  });
});

test('its weight files are looked through once', async () => {
  const model = openStoredModel((await convertBundled(OPTIONS)).files);
  expect(findSpoiltShards(model)).toBe(findSpoiltShards(model));
});

describe('what TensorFlow.js is given', () => {
  /** Throws where anything is written to it. */
  function freeze<T>(value: T): T {
    for (const each of typeof value === 'object' && value !== null ? Object.values(value) : []) {
      freeze(each);
    }
    return Object.freeze(value);
  }

  test.each(['layers', 'graph'] as const)('%s: is left as it is', async (format) => {
    const { files } = await convertBundled({ ...OPTIONS, format });
    const { json, shards } = openStoredModel(files);
    const { stop } = await prepareBackend('wasm');
    const model = await loadStored(new StoredModel(freeze(json), shards));
    expect(await model.predict(new Float32Array(64 * 64 * 3))).toHaveLength(1000);
    model.dispose();
    await stop();
  });

  // Its own reader of several files takes zeros for what lies in a last one that is longer than the others.
  test.each([
    ['one', []],
    ['the last is longer', [100]],
    ['the first is empty', [0]],
    ['the last is empty', [392]],
    ['a number lies across two', [30, 101, 390]],
  ])('weight files of any size: %s', async (_, cuts) => {
    const tiny = await saveTiny();
    // The bias, which comes last: what starts as zero would not show.
    new DataView(tiny.data.buffer).setFloat32(384, 1.5, true);
    const whole = await logitsOf(tinyFiles(tiny));
    const ends = [...cuts, tiny.data.length];
    const shards = ends.map((end, i) => ({
      name: `${i}.bin`,
      // A view of more, as a browser's cache or a pool gives it.
      bytes: tiny.data.subarray(ends[i - 1] ?? 0, end),
    }));
    const json = tinyJSON(
      tiny,
      shards.map(({ name }) => name),
    );
    const text = new TextEncoder().encode(JSON.stringify(json));
    expect(await logitsOf([{ name: 'model.json', bytes: text }, ...shards])).toEqual(whole);
  });

  async function logitsOf(files: readonly NamedBytes[]): Promise<Float32Array> {
    await tf.setBackend('cpu');
    const model = await loadStored(openStoredModel(files));
    const logits = await model.predict(TINY_IMAGE);
    model.dispose();
    return logits;
  }
});

test('a slice of parts is that of the whole', () => {
  const parts = fc.array(fc.uint8Array({ maxLength: 5 }), { maxLength: 6 });
  fc.assert(
    fc.property(parts, fc.nat(30), fc.nat(30), (all, a, b) => {
      const whole = concatenate(all);
      const [start, end] = [a, b].map((at) => at % (whole.length + 1)).sort((x, y) => x - y) as [
        number,
        number,
      ];
      expect(sliceOf(all, start, end)).toEqual(whole.slice(start, end));
    }),
  );
});
