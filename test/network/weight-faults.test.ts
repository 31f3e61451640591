/** Weights that no training leaves behind: they are named wherever they are loaded. */
import { crc32 } from 'node:zlib';
import type { io } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { concatenate } from '../../src/base/bytes.js';
import {
  type ConvertOptions,
  convertCheckpoint,
  convertToSafetensors,
  exportCheckpoint,
  loadGoogLeNet,
  type NamedBytes,
} from '../../src/index.js';
import { prepareBackend } from '../../src/runtimes/backends.js';
import { openStoredModel } from '../../src/stored-model/open.js';
import { googlenet, loadTrainable } from '../../src/training/index.js';
import { findPython, startPython } from '../helpers/python.js';
import { SLOW, slowUnless } from '../helpers/tiers.js';
import { damaged, type Edit, put, zero } from './weight-faults.js';

const SMALL = { imageSize: 64, transformInput: false, crc32 };
const python = await findPython('which variances PyTorch takes the root of');

const MEANINGLESS = /the logits mean nothing/;
const convert = async (bytes: Uint8Array, options: ConvertOptions = {}) =>
  convertCheckpoint(bytes, { ...SMALL, ...options });

beforeAll(async () => {
  await prepareBackend('wasm');
});

describe('convert names the keys', () => {
  test.each<[what: string, keys: RegExp, edit: Edit, warning: RegExp]>([
    [
      'NaN in a mean',
      /^conv1\.bn\.running_mean$/,
      put(3, NaN),
      /NaN .* in conv1\.bn\.running_mean:/,
    ],
    [
      'infinities, in several',
      /^inception3a\.branch[12].*bn\.bias$/,
      put(0, -Infinity),
      /in inception3a\.branch1\.bn\.bias, inception3a\.branch2\.0\.bn\.bias, inception3a\.branch2\.1\.bn\.bias:/,
    ],
    ['NaN in fc', /^fc\.bias$/, put(1, NaN), /NaN or infinity in fc\.bias:/],
    [
      'a negative variance',
      /^conv2\.bn\.running_var$/,
      put(1, -0.5),
      /a negative variance in conv2\.bn\.running_var:/,
    ],
    [
      'weights beyond float32 once folded',
      /^conv3\.(conv|bn)\.weight$/,
      put(0, 3e38),
      /conv3\.conv\.weight is too large for float32/,
    ],
    ['many of them', /\.bn\.weight$/, put(0, NaN), /conv1\.bn\.weight, .*, and 52 more:/],
  ])('of %s', async (_, keys, edit, warning) => {
    const { warnings } = await convert(await damaged(keys, edit));
    expect(warnings).toEqual([expect.stringMatching(warning)]);
    expect(warnings[0]).toMatch(MEANINGLESS);
  });

  test('of kernels of zeros, and says so of a network without data', async () => {
    const [part, all] = [
      await convert(await damaged(/^(conv2\.conv|fc)\.weight$|^conv3\.bn\.weight$/, zero)),
      await convert(await damaged(/./, zero)),
    ];
    expect(part.warnings).toEqual([
      expect.stringMatching(
        /^zeros alone in conv2\.conv\.weight, conv3\.bn\.weight, fc\.weight, which/,
      ),
    ]);
    expect(all.warnings).toEqual([
      expect.stringMatching(/^every kernel is zero, .* without its data/),
    ]);
  });

  test('and is silent about what is right, and about heads that it leaves out', async () => {
    expect((await convert(await damaged(/^aux1\.conv\.bn\.bias$/, put(0, NaN)))).warnings).toEqual(
      [],
    );
    const slight = await damaged(/^conv1\.bn\.running_var$/, put(0, -0.0005));
    expect((await convert(slight)).warnings).toEqual([]);
  });

  test.skipIf(python === undefined)(
    'of those variances whose root PyTorch cannot take',
    async () => {
      const code = `
import json, torch
bn = torch.nn.BatchNorm2d(4, eps=0.001).eval()
bn.running_var.copy_(torch.tensor([0.0, -0.0005, -0.001, -0.002]))
print(json.dumps(torch.isfinite(bn(torch.ones(1, 4, 1, 1))).flatten().tolist()))`;
      const { stdout } = await startPython(python as string, '-c', code);
      expect(JSON.parse(stdout)).toEqual([true, true, false, false]);
      for (const [i, variance] of [0, -0.0005, -0.001, -0.002].entries()) {
        const bytes = await damaged(/^conv1\.bn\.running_var$/, put(0, variance));
        expect((await convert(bytes)).warnings).toHaveLength(i < 2 ? 0 : 1);
      }
    },
  );
});

describe('of NaN in a mean', () => {
  const warning = expect.stringMatching(/NaN or infinity in conv1\.bn\.running_mean/);
  let bytes: Uint8Array;
  let trainable: readonly NamedBytes[];

  beforeAll(async () => {
    bytes = await damaged(/^conv1\.bn\.running_mean$|^aux1\.fc1\.bias$/, put(3, NaN));
    trainable = (await convert(bytes, { trainable: true })).files;
  });

  test('a trainable model, safetensors and export warn, of auxiliary heads too', async () => {
    const both = [expect.stringMatching(/in conv1\.bn\.running_mean, aux1\.fc1\.bias:/)];
    expect((await convert(bytes, { trainable: true })).warnings).toEqual(both);
    expect((await convertToSafetensors(bytes, { crc32 })).warnings).toEqual(both);
    expect(exportCheckpoint(trainable, { crc32 }).warnings).toEqual(both);
  });

  test('training warns, on the console unless one listens', SLOW, async () => {
    const heard: string[] = [];
    const onWarning = (text: string) => heard.push(text);
    loadTrainable(trainable, { onWarning }).dispose();
    const net = googlenet({ imageSize: 15, seed: 1 });
    const stateDict = exportCheckpoint(trainable, { crc32 }).stateDict;
    net.loadStateDict(stateDict, { onWarning });
    expect(heard).toEqual([warning, warning]);
    const spy = vi.spyOn(console, 'warn').mockReturnValue();
    net.loadStateDict(stateDict);
    expect(spy.mock.calls).toEqual([
      [expect.stringMatching(/^pth2tfjs: NaN or infinity in conv1/)],
    ]);
    spy.mockRestore();
    net.dispose();
  });

  test('an app is warned: of a checkpoint by key, of a model by weight, from any source', async () => {
    const layers = (await convert(bytes)).files;
    const graph = (await convert(bytes, { format: 'graph' })).files;
    const sources: [source: Parameters<typeof loadGoogLeNet>[0], warning: RegExp][] = [
      [bytes, /in conv1\.bn\.running_mean/],
      [asFiles(layers), /in conv1\/bias/],
      [asFiles(graph), /in conv1\/bias/],
      [asFiles(trainable), /in conv1\.bn\/moving_mean/],
      [handler(layers), /in conv1\/bias/],
    ];
    for (const [source, text] of sources) {
      const heard: string[] = [];
      const onWarning = (each: string) => heard.push(each);
      const model = await loadGoogLeNet(source, { convert: SMALL, onWarning });
      expect(heard).toEqual([expect.stringMatching(text)]);
      expect(model.warnings).toEqual(heard);
      model.dispose();
    }
  });

  test('an app that does not listen finds it on the console, and nothing where all is well', async () => {
    const spy = vi.spyOn(console, 'warn').mockReturnValue();
    (await loadGoogLeNet(bytes, { convert: SMALL })).dispose();
    expect(spy.mock.calls).toEqual([[expect.stringMatching(/^pth2tfjs: NaN or infinity/)]]);
    spy.mockClear();
    (await loadGoogLeNet(await damaged(/^$/, zero), { convert: SMALL })).dispose();
    expect(spy).not.toHaveBeenCalled();
    spy.mockRestore();
  });
});

test('kernels of zeros that are quantized are found, too', SLOW, async () => {
  const bytes = await damaged(/^(conv2\.conv|fc)\.weight$/, zero);
  for (const quantization of ['float16', 'uint8'] as const) {
    const { files } = await convert(bytes, { quantization });
    const onWarning = vi.fn();
    (await loadGoogLeNet(asFiles(files), { onWarning })).dispose();
    expect(onWarning.mock.calls).toEqual([[expect.stringMatching(/in conv2\/kernel, fc\/kernel/)]]);
  }
});

for (const value of [NaN, Infinity, -Infinity]) {
  const title = `logits that are no numbers are an error, never a class: ${value}`;
  test(title, slowUnless(value > 0), async () => {
    const pixels = { data: new Uint8Array(3).fill(90), width: 1, height: 1 };
    const bytes = await damaged(/^fc\.bias$/, put(7, value));
    const model = await loadGoogLeNet(bytes, { convert: SMALL, onWarning: () => undefined });
    await expect(model.classify(pixels)).rejects.toMatchObject({
      code: 'model',
      message: expect.stringMatching(/1 of 1000 logits of image 0 are NaN or infinite/),
      hint: expect.stringMatching(/weights/),
    });
    expect((await model.logits(pixels)).data[7]).toBe(value);
    model.dispose();
  });
}

function asFiles(files: readonly NamedBytes[]): File[] {
  return files.map(({ name, bytes }) => new File([bytes as Uint8Array<ArrayBuffer>], name));
}

/** As a handler of TensorFlow.js hands a model over. */
function handler(files: readonly NamedBytes[]): io.IOHandler {
  const { json, specs, shards } = openStoredModel(files);
  const artifacts = {
    modelTopology: json.modelTopology,
    weightSpecs: specs,
    weightData: concatenate(shards.map(({ bytes }) => bytes)).buffer,
  };
  return { load: async () => artifacts } as io.IOHandler;
}
