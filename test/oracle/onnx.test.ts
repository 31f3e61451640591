/** ONNX files beside onnx's own checker, onnxruntime and PyTorch, in float64 where one asks it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { VERSION } from '../../src/base/version.js';
import { type ConvertOptions, convertCheckpoint } from '../../src/index.js';
import { CHECKPOINT } from '../helpers/bundled.js';
import { GOLDEN, pth2tfjsIn, temporaryFolder } from '../helpers/cli.js';
import { findOnnxRuntime } from '../helpers/onnxruntime.js';
import { findOnnx, findPython, runPython } from '../helpers/python.js';
import { drawSeed } from '../helpers/seed.js';
import { SLOW, slowUnless } from '../helpers/tiers.js';
import { draw, optionsOf, TRIED } from './drawn.js';

/**
 * On networks whose rounding stays small: PyTorch's own float32 lies up to 4e-6 of an image's norm from its
 * float64, as oracle.test.ts has it; folding and another order of sums add as much again.
 */
const WELL_CONDITIONED = 1e-5;
/** On the bundled network, where float32 itself errs by up to 1.5e-5, and onnxruntime on PyTorch's own export by 2e-5. */
const BUNDLED = 3e-5;

interface Job {
  readonly model: string;
  readonly input?: string;
  readonly reference?: string;
  /** Whether the input goes in as the 8-bit images that it was normalised from. */
  readonly pixels?: boolean;
  /** The same model in float32, for one whose weights are stored as float16. */
  readonly plain?: string;
}

/** What onnx-check.py tells of a model. */
interface Checked {
  readonly opset: readonly number[];
  readonly ops: readonly string[];
  readonly names: readonly string[];
  /** What the nodes give, by name. */
  readonly values: readonly string[];
  readonly unknownShapes: readonly string[];
  readonly inputs: readonly (readonly [name: string, type: number, shape: readonly unknown[]])[];
  readonly outputs: readonly (readonly [name: string, type: number, shape: readonly unknown[]])[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly producer: readonly string[];
  readonly float16?: { readonly count: number; readonly rounded: boolean };
  readonly errors?: readonly number[];
}

const python = await findPython('ONNX beside a live PyTorch');
const onnx = await findOnnx('ONNX files beside onnx and onnxruntime');
const runtime = findOnnxRuntime('an ONNX file of PyTorch’s');
const folder = temporaryFolder();

async function check(job: Job): Promise<Checked> {
  const jobs = `${job.model}.json`;
  await writeFile(jobs, JSON.stringify([job]));
  const [result] = JSON.parse(await runPython(onnx as string, 'test/oracle/onnx-check.py', jobs));
  return result;
}

type Run = Job & Required<Pick<Job, 'input' | 'reference'>>;

/** The greatest distance of an image's logits from the reference. */
async function worstError(job: Run): Promise<number> {
  const { errors = [] } = await check(job);
  expect(errors.length).toBeGreaterThan(0);
  return Math.max(...errors);
}

async function write(checkpoint: Uint8Array, name: string, options: ConvertOptions) {
  const { files } = await convertCheckpoint(checkpoint, { format: 'onnx', ...options });
  expect(files.map((file) => file.name)).toEqual(['model.onnx']);
  const path = join(folder, name);
  await writeFile(path, files[0]?.bytes as Uint8Array);
  return path;
}

const golden = (name: string) => join(GOLDEN, `googlenet.${name}golden.pth.gz`);

describe.skipIf(onnx === undefined)('the bundled network as ONNX', () => {
  const plain = { transformInput: false } as const;
  let checkpoint: Uint8Array;

  beforeAll(async () => {
    checkpoint = await readFile(CHECKPOINT);
  });

  it('is a valid model that gives PyTorch’s logits, and says what it is', async () => {
    const labels = Array.from({ length: 1000 }, (_, i) => `class ${i}`);
    const model = await write(checkpoint, 'plain.onnx', { ...plain, labels, sourceName: 'a.pth' });
    const files = { input: golden(''), reference: golden('') };
    const checked = await check({ model, ...files });
    expect(Math.max(...(checked.errors as number[]))).toBeLessThanOrEqual(BUNDLED);
    expect(checked.errors).toHaveLength(4);
    expect(checked.opset).toEqual([17]);
    expect(checked.unknownShapes).toEqual([]);
    expect(checked.inputs).toEqual([['input', 1, ['N', 3, 224, 224]]]);
    expect(checked.outputs).toEqual([['logits', 1, ['N', 1000]]]);
    expect(checked.producer).toEqual(['pth2tfjs', VERSION]);
    const { pth2tfjs, preprocessing, labels: names } = checked.metadata;
    expect(JSON.parse(names as string)).toEqual(labels);
    expect(JSON.parse(pth2tfjs as string)).toMatchObject({
      tool: `pth2tfjs ${VERSION}`,
      format: 'onnx',
      source: { name: 'a.pth', sha256: expect.stringMatching(/^6ca9c6551a1d/) },
    });
    expect(JSON.parse(preprocessing as string)).toMatchObject({
      layout: 'NCHW',
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    });
  });

  it('has nodes that are called after torch’s modules', async () => {
    const { names, values, ops } = await check({
      model: await write(checkpoint, 'names.onnx', plain),
    });
    expect(new Set(names).size).toBe(names.length);
    const at = names.indexOf('inception3a.branch2.1.conv');
    expect([ops[at], values[at]]).toEqual(['Conv', 'inception3a.branch2.1.bn']);
    expect([ops[at + 1], values[at + 1]]).toEqual(['Relu', 'inception3a.branch2.1']);
    expect(names).toEqual(expect.arrayContaining(['maxpool1', 'inception5b', 'avgpool', 'fc']));
    expect(values.at(-1)).toBe('logits');
  });

  it.each([
    ['transform_input', { transformInput: true }, 'transform_input.'],
    ['an image of 231x231', { ...plain, imageSize: 231 }, '231.'],
    ['an image of 64x64', { ...plain, imageSize: 64 }, '64.layers.'],
  ])('gives PyTorch’s logits with %s', SLOW, async (name, options, file) => {
    const model = await write(checkpoint, `${name}.onnx`, options);
    const files = { input: golden(file), reference: golden(file) };
    expect(await worstError({ model, ...files })).toBeLessThanOrEqual(BUNDLED);
  });

  it.each([
    ['without', plain, ''],
    ['with', { transformInput: true }, 'transform_input.'],
  ])('takes pixels as well, %s transform_input', SLOW, async (name, options, file) => {
    const model = await write(checkpoint, `pixels ${name}.onnx`, { ...options, input: 'pixels' });
    const files = { input: golden(file), reference: golden(file) };
    const { inputs } = await check({ model });
    expect(inputs).toEqual([['input', 2, ['N', 224, 224, 3]]]);
    expect(await worstError({ model, pixels: true, ...files })).toBeLessThanOrEqual(BUNDLED);
  });

  it('stores weights as float16 as numpy rounds them, and computes in float32', SLOW, async () => {
    const options = { ...plain, quantization: 'float16' } as const;
    const model = await write(checkpoint, 'half.onnx', options);
    const checked = await check({ model, plain: await write(checkpoint, 'whole.onnx', plain) });
    expect(checked.float16).toEqual({ count: 58, rounded: true });
    expect(checked.ops.filter((op) => op === 'Cast')).toHaveLength(58);
  });

  it.skipIf(python === undefined)('has no more nodes than PyTorch’s own export', SLOW, async () => {
    const path = join(folder, 'torch.onnx');
    await runPython(python as string, 'test/oracle/onnx-export.py', path);
    const [theirs, ours] = [
      await check({ model: path }),
      await check({ model: await write(checkpoint, 'ours.onnx', plain) }),
    ];
    expect(theirs.ops.length).toBeGreaterThan(100);
    expect(ours.ops.length).toBeLessThanOrEqual(theirs.ops.length);
  });
});

describe.skipIf(python === undefined || runtime === undefined)('PyTorch’s own export', () => {
  it('is verified like ours, image by image', SLOW, async () => {
    const path = join(folder, 'exported.onnx');
    const bundled = join(GOLDEN, 'googlenet.pth.gz');
    await runPython(python as string, 'test/oracle/onnx-export.py', path, bundled, '64');
    const golden64 = golden('64.layers.');
    const run = await pth2tfjsIn(runtime as string, {}, 'verify', path, '--golden', golden64);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/the default, since the model is not as convert writes it/);
    expect(run.stdout).toMatch(/^PASS: parity holds on onnx: 2 images/m);
  });
});

const CASES = [
  'as-published',
  'paper-kernels',
  'smallest',
  'half',
  'double',
  'two-models',
  'fine-tuned',
];

describe.skipIf(onnx === undefined || python === undefined)('a random network as ONNX', () => {
  const seed = drawSeed('oracle.py', TRIED);

  for (const name of CASES) {
    it(
      `gives the logits of PyTorch in float64: ${name}`,
      slowUnless(name === 'smallest'),
      async () => {
        const drawn = await draw(python as string, name, seed, folder);
        const bytes = await readFile(join(folder, drawn.checkpoint));
        const model = await write(bytes, `${name}.onnx`, optionsOf(drawn));
        const [input, reference] = [drawn.golden, drawn.float64].map((each) => join(folder, each));
        expect(
          await worstError({ model, input, reference } as Run),
          `seed ${seed}`,
        ).toBeLessThanOrEqual(WELL_CONDITIONED);
      },
    );
  }
});
