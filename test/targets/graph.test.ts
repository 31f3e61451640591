/**
 * Graph models: stock `tf.loadGraphModel` runs them in a process that has none of our code, from
 * normalised images and from 8-bit pixels, and gives PyTorch's logits; so do our own commands.
 */
import { join } from 'node:path';
import { beforeAll, describe, expect, it, test } from 'vitest';
import { type Golden, INPUTS, type InputKind } from '../../src/index.js';
import { compareLogits, DEFAULT_RTOL } from '../../src/verify/index.js';
import { BUNDLED, bundledConvolutions, CHECKPOINT } from '../helpers/bundled.js';
import { GOLDEN, temporaryFolder } from '../helpers/cli.js';
import { sha256 } from '../helpers/digest.js';
import { findPython, runPython } from '../helpers/python.js';
import { channelsLast, pixelsOf, type StockReport, startStockLoader } from '../helpers/stock.js';
import { SLOW, slowUnless } from '../helpers/tiers.js';
import { goldenOf, graphFor, LAYERED, ODD, PLAIN, TRANSFORMED } from './graphs.js';

const python = await findPython('graph models at other sizes against a live PyTorch');
const folder = temporaryFolder();
const runStockLoader = startStockLoader();
const checkpoint = CHECKPOINT;
const photos = join(GOLDEN, 'photos');

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
