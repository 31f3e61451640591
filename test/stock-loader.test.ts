/**
 * The written model is TensorFlow.js's own: `tf.loadLayersModel` loads it over HTTP in a process that
 * has none of our code, and gives PyTorch's logits.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  compareLogits,
  convertCheckpoint,
  DEFAULT_RTOL,
  type Golden,
  listTensors,
  readCheckpoint,
  readGolden,
} from '../src/index.js';

interface Report {
  readonly backend: string;
  readonly shape: readonly number[];
  readonly logits: readonly number[];
  readonly layers: readonly { readonly name: string; readonly type: string }[];
}

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

const folder = mkdtempSync(join(tmpdir(), 'pth2tfjs-stock-'));
const inFolder = (name: string) => join(folder, name);
let server: Server;
let checkpoint: Uint8Array;
/** Names of the modules in PyTorch that hold a convolution of the main network. */
let convolutions: readonly string[];

beforeAll(async () => {
  checkpoint = await bundled('googlenet.pth.gz');
  const tensors = listTensors((await readCheckpoint(checkpoint)).value);
  convolutions = [...tensors.keys()]
    .filter((key) => key.endsWith('.conv.weight') && !key.startsWith('aux'))
    .map((key) => key.replace(/\.conv\.weight$/, ''));
  server = createServer(async ({ url = '' }, response) => {
    const bytes = await readFile(inFolder(basename(url))).catch(() => undefined);
    response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
});

afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

describe.each([
  ['googlenet.golden.pth.gz', false],
  ['googlenet.transform_input.golden.pth.gz', true],
  ['googlenet.231.golden.pth.gz', false],
])('tf.loadLayersModel, against %s', (name, transformInput) => {
  let golden: Golden;
  let report: Report;

  beforeAll(async () => {
    golden = await readGolden(await bundled(name));
    const options = { transformInput, imageSize: golden.shape[2] };
    const { files } = await convertCheckpoint(checkpoint, options);
    for (const file of files) await writeFile(inFolder(file.name), file.bytes);
    report = await runStockLoader(golden);
  });

  it('gives the logits of PyTorch', () => {
    expect(report.backend).toBe('wasm');
    expect(report.shape).toEqual([golden.shape[0], golden.numClasses]);
    const actual = Float32Array.from(report.logits);
    const tolerance = { rtol: DEFAULT_RTOL.float32, atol: null, top1: true };
    const comparison = compareLogits(golden.logits, actual, golden.numClasses, tolerance);
    expect(comparison.passed, `needs ${comparison.required.rtol}`).toBe(true);
  });

  it('builds a convolution for each of torchvision, under its name', () => {
    expect(convolutions).toEqual(expect.arrayContaining(['conv1', 'inception3a.branch2.1']));
    const found = report.layers.filter(({ type }) => type === 'Conv2D').map(({ name }) => name);
    // The loader sorts layers by depth; the checkpoint has them in another order.
    expect(found.sort()).toEqual([...convolutions].sort());
  });

  it('meets standard layers only', () => {
    const types = new Set(report.layers.map(({ type }) => type));
    expect(STANDARD_LAYERS).toEqual(expect.arrayContaining([...types]));
    expect(types.has('DepthwiseConv2D')).toBe(transformInput);
  });
});

function bundled(name: string): Promise<Uint8Array> {
  return readFile(new URL(`../golden/${name}`, import.meta.url));
}

async function runStockLoader(golden: Golden): Promise<Report> {
  const images = inFolder('images.bin');
  await writeFile(images, channelsLast(golden));
  const script = fileURLToPath(new URL('helpers/stock-loader.mjs', import.meta.url));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.json`;
  const { stdout } = await promisify(execFile)(process.execPath, [script, url, images], {
    maxBuffer: 2 ** 26,
  });
  return JSON.parse(stdout);
}

/** The images as NHWC, reordered here without the package's help. */
function channelsLast({ input, shape: [count, channels, height, width] }: Golden): Float32Array {
  const out = new Float32Array(input.length);
  const pixels = height * width;
  for (let i = 0; i < count * pixels; i++) {
    const [image, pixel] = [Math.floor(i / pixels), i % pixels];
    for (let c = 0; c < channels; c++) {
      out[i * channels + c] = input[(image * channels + c) * pixels + pixel] as number;
    }
  }
  return out;
}
