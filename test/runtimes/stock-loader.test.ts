/**
 * The written model is TensorFlow.js's own: `tf.loadLayersModel` loads it over HTTP in a process that
 * has none of our code, and gives PyTorch's logits.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Golden, readGolden } from '../../src/index.js';
import { compareLogits, DEFAULT_RTOL } from '../../src/verify/index.js';
import { bundledConvolutions, convertBundled } from '../helpers/bundled.js';
import { GOLDEN } from '../helpers/cli.js';
import { channelsLast, type StockReport, startStockLoader } from '../helpers/stock.js';
import { slowUnless } from '../helpers/tiers.js';

const runStockLoader = startStockLoader();

/** All that the model may consist of: layers that every TensorFlow.js and every Keras has. */
const STANDARD_LAYERS = [
  'InputLayer',
  'DepthwiseConv2D',
  'ZeroPadding2D',
  'Conv2D',
  'MaxPooling2D',
  'Concatenate',
  'GlobalAveragePooling2D',
  'Dense',
];

/** Golden files, whether transform_input was on, and whether the quick tier has them. */
const GOLDENS = [
  ['googlenet.golden.pth.gz', false, false],
  ['googlenet.transform_input.golden.pth.gz', true, true],
  ['googlenet.231.golden.pth.gz', false, true],
] as const;

for (const [name, transformInput, quick] of GOLDENS) {
  describe(`tf.loadLayersModel, against ${name}`, slowUnless(quick), () => {
    testStock(name, transformInput);
  });
}

function testStock(name: string, transformInput: boolean): void {
  let golden: Golden;
  let report: StockReport;

  beforeAll(async () => {
    golden = await readGolden(readFileSync(join(GOLDEN, name)));
    const options = { transformInput, imageSize: golden.shape[2] };
    const { files } = await convertBundled(options);
    report = await runStockLoader(files, channelsLast(golden));
  });

  it('gives the logits of PyTorch', () => {
    expect(report.backend).toBe('wasm');
    expect(report.shape).toEqual([golden.shape[0], golden.numClasses]);
    const actual = Float32Array.from(report.logits);
    const tolerance = { rtol: DEFAULT_RTOL.float32, atol: null, top1: true };
    const comparison = compareLogits(golden.logits, actual, golden.numClasses, tolerance);
    expect(comparison.passed, `needs ${comparison.required.rtol}`).toBe(true);
  });

  it('builds a convolution for each of torchvision, under its name', async () => {
    const found = report.layers.filter(({ type }) => type === 'Conv2D').map(({ name }) => name);
    // The loader sorts layers by depth; the checkpoint has them in another order.
    expect(found.sort()).toEqual([...(await bundledConvolutions())].sort());
  });

  it('meets standard layers only', () => {
    const types = new Set(report.layers.map(({ type }) => type));
    expect(STANDARD_LAYERS).toEqual(expect.arrayContaining([...types]));
    expect(types.has('DepthwiseConv2D')).toBe(transformInput);
  });
}
