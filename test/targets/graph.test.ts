/**
 * Graph models: stock `tf.loadGraphModel` runs them in a process that has none of our code, from
 * normalised images and from 8-bit pixels, and gives PyTorch's logits; so do our own commands.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { beforeAll, describe, expect, it, test } from 'vitest';
import { toPixels } from '../../src/image/imagenet.js';
import { preprocess } from '../../src/image/preprocess.js';
import {
  type ConvertOptions,
  convertCheckpoint,
  type Golden,
  INPUTS,
  type InputKind,
  loadGoogLeNet,
  type NamedBytes,
  readGolden,
  verifyModel,
} from '../../src/index.js';
import { batchNHWC } from '../../src/verify/golden.js';
import { compareLogits, DEFAULT_RTOL, loadModel } from '../../src/verify/index.js';
import { BUNDLED, bundledConvolutions, CHECKPOINT, convertBundled } from '../helpers/bundled.js';
import { expectFailure, GOLDEN, pth2tfjs, temporaryFolder } from '../helpers/cli.js';
import { sha256 } from '../helpers/digest.js';
import { findPython, runPython } from '../helpers/python.js';
import { channelsLast, pixelsOf, type StockReport, startStockLoader } from '../helpers/stock.js';
import { SLOW, slowUnless } from '../helpers/tiers.js';

const PLAIN = 'googlenet.golden.pth.gz';
const ODD = 'googlenet.231.golden.pth.gz';
const LAYERED = 'googlenet.64.layers.golden.pth.gz';
const TRANSFORMED = 'googlenet.transform_input.golden.pth.gz';

const python = await findPython('graph models at other sizes against a live PyTorch');
const folder = temporaryFolder();
const runStockLoader = startStockLoader();
const checkpoint = CHECKPOINT;
const photos = join(GOLDEN, 'photos');

const FROM_PIXELS = { format: 'graph', input: 'pixels', transformInput: false } as const;

const goldenOf = (path: string) => readGolden(readFileSync(path));

async function graphFor(golden: Golden, input: InputKind, options: ConvertOptions = {}) {
  const size = { imageSize: golden.shape[2], transformInput: false };
  const { files } = await convertBundled({
    ...size,
    format: 'graph',
    input,
    ...options,
  });
  return files;
}

const imagesOf = (golden: Golden, input: InputKind) =>
  input === 'pixels' ? pixelsOf(golden) : channelsLast(golden);

function expectPyTorch(golden: Golden, { logits, shape }: StockReport, rtol: number): void {
  expect(shape).toEqual([golden.shape[0], golden.numClasses]);
  const tolerance = { rtol, atol: null, top1: rtol === DEFAULT_RTOL.float32 };
  const actual = Float32Array.from(logits);
  const { passed, required } = compareLogits(golden.logits, actual, golden.numClasses, tolerance);
  expect(passed, `needs ${required.rtol}`).toBe(true);
}

describe('stock tf.loadGraphModel gives the logits of PyTorch', () => {
  const cases = [PLAIN, TRANSFORMED, ODD, LAYERED].flatMap((name) =>
    INPUTS.map((input) => [name, input] as const),
  );

  for (const [name, input] of cases) {
    test(`${name}, from ${input}`, slowUnless(name === LAYERED), async () => {
      const golden = await goldenOf(join(GOLDEN, name));
      const files = await graphFor(golden, input, { transformInput: name === TRANSFORMED });
      const report = await runStockLoader(files, imagesOf(golden, input));
      expect(report.backend).toBe('wasm');
      expectPyTorch(golden, report, DEFAULT_RTOL.float32);
    });
  }

  // The bounds and their reasons are those of quantize.test.ts.
  test.each([
    ['float16', 5e-2],
    ['uint16', 2e-2],
  ] as const)('with kernels stored as %s', SLOW, async (quantization, rtol) => {
    const golden = await goldenOf(join(GOLDEN, LAYERED));
    const files = await graphFor(golden, 'pixels', { quantization });
    expect(files.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThan(13.6e6);
    expectPyTorch(golden, await runStockLoader(files, imagesOf(golden, 'pixels')), rtol);
  });
});

/** Network, size and images by PyTorch itself, where the pools hang over the edge in other places. */
describe.skipIf(python === undefined)('PyTorch at other sizes', SLOW, () => {
  test.each([
    // 49, 24, 12, 6, 3 and 56, 28, 14, 7, 4: of every pool one that fits and one that hangs over.
    [97, true],
    [111, false],
    [15, true],
  ])('%d, transform_input %s', async (size, transformInput) => {
    const path = join(folder, `golden-${size}.pth`);
    const images = ['photo.jpg', 'palette.png'].map((name) => join(photos, name));
    const flag = transformInput ? '--transform-input' : '--no-transform-input';
    const more = ['--image-size', String(size), flag, '-o', path];
    await runPython(
      python as string,
      'golden/capture.py',
      checkpoint,
      '--images',
      ...images,
      ...more,
    );
    const golden = await goldenOf(path);
    for (const input of INPUTS) {
      const files = await graphFor(golden, input, { transformInput });
      const report = await runStockLoader(files, imagesOf(golden, input));
      expectPyTorch(golden, report, DEFAULT_RTOL.float32);
    }
  });
});

describe('what is written', () => {
  let golden: Golden;
  let report: StockReport;
  let json: {
    readonly format: string;
    readonly modelTopology: { readonly node: readonly GraphNode[] };
    readonly weightsManifest: readonly [{ readonly weights: readonly { name: string }[] }];
  };
  interface GraphNode {
    readonly name: string;
    readonly op: string;
    readonly attr: {
      readonly fused_ops?: { list: { s: readonly string[] } };
      readonly padding?: { s: string };
    };
  }

  beforeAll(async () => {
    golden = await goldenOf(join(GOLDEN, ODD));
    const files = await graphFor(golden, 'pixels', { transformInput: true });
    report = await runStockLoader(files, imagesOf(golden, 'pixels'));
    json = JSON.parse(new TextDecoder().decode(files[0]?.bytes));
  });

  it('is fused: a node for each convolution of torchvision, with its bias and its ReLU', async () => {
    const { node } = json.modelTopology;
    const convolutions = node.filter(({ op }) => op === '_FusedConv2D');
    expect(convolutions.map(({ name }) => name).sort()).toEqual(
      [...(await bundledConvolutions())].sort(),
    );
    for (const { attr } of convolutions) {
      expect(attr.fused_ops?.list.s.map(atob)).toEqual(['BiasAdd', 'Relu']);
    }
    const others = new Set(node.map(({ op }) => op).filter((op) => op !== '_FusedConv2D'));
    const expected = ['Const', 'Placeholder', 'Cast', 'Mul', 'AddV2', 'Pad', 'MaxPool', 'ConcatV2'];
    expect([...others].sort()).toEqual([...expected, 'Mean', '_FusedMatMul'].sort());
  });

  it('pads its pools where they hang over the edge, and nowhere else', () => {
    const padding = Object.fromEntries(
      json.modelTopology.node
        .filter(({ name }) => name.startsWith('maxpool'))
        .map(({ name, attr }) => [name, atob(attr.padding?.s as string)]),
    );
    // 231 goes 116, 58, 29, 14, 7: windows of three fit into odd sizes, those of two into even ones.
    const [hanging, fitting] = ['SAME', 'VALID'];
    expect(padding).toEqual({
      maxpool1: hanging,
      maxpool2: hanging,
      maxpool3: fitting,
      maxpool4: fitting,
    });
  });

  it('has each constant in the manifest, under the name of its node', () => {
    const constants = json.modelTopology.node.filter(({ op }) => op === 'Const');
    const stored = json.weightsManifest[0].weights.map(({ name }) => name);
    expect(stored.sort()).toEqual(constants.map(({ name }) => name).sort());
  });

  it('keeps its origin where stock TensorFlow.js looks for metadata', async () => {
    expect(json.format).toBe('graph-model');
    const digest = sha256(BUNDLED);
    expect(report.metadata.pth2tfjs).toMatchObject({
      format: 'graph',
      source: { sha256: digest, container: 'zip' },
      input: { kind: 'pixels', shape: [null, 231, 231, 3] },
      transformInput: true,
    });
  });
});

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

  it('--input pixels goes with graphs only', async () => {
    const args = ['convert', checkpoint, join(folder, 'none'), '--input', 'pixels'];
    expectFailure(await pth2tfjs(...args), 2, /--input pixels goes with --format graph/);
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
