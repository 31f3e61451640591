/** ONNX models on ONNX Runtime: beside PyTorch's logits, layer by layer, and what is refused. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadGoogLeNet } from '../../src/index.js';
import { StoredOnnx } from '../../src/stored-model/stored-onnx.js';
import { encodeModel } from '../../src/targets/onnx/encode.js';
import { readGolden } from '../../src/verify/golden.js';
import type { VerifyOptions } from '../../src/verify/verification.js';
import { verifyModel } from '../../src/verify/verify-model.js';
import { BUNDLED, CHECKPOINT, convertBundled } from '../helpers/bundled.js';
import { expectFailure, GOLDEN, pth2tfjs, pth2tfjsIn, temporaryFolder } from '../helpers/cli.js';
import { findOnnxRuntime, importOnnxRuntime } from '../helpers/onnxruntime.js';
import { SLOW } from '../helpers/tiers.js';
import { probeWebGPU, VULKAN_ENV } from '../helpers/vulkan.js';

const runtime = findOnnxRuntime('ONNX models on ONNX Runtime');
const LAYERED = join(GOLDEN, 'googlenet.64.layers.golden.pth.gz');
const OPTIONS = { imageSize: 64, transformInput: false, format: 'onnx' } as const;
const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

/** A copy of the bundled network as ONNX, for tests to spoil. */
async function onnxFile(options = {}): Promise<Uint8Array> {
  const { files } = await convertBundled({ ...OPTIONS, ...options });
  return Uint8Array.from(files[0]?.bytes as Uint8Array);
}

async function place(name: string, file: Uint8Array | Promise<Uint8Array>): Promise<string> {
  writeFileSync(at(name), await file);
  return at(name);
}

describe.skipIf(runtime === undefined)('ONNX Runtime on the processor', () => {
  const onnxruntime = runtime === undefined ? undefined : importOnnxRuntime(runtime);
  const inRuntime = (...args: string[]) => pth2tfjsIn(runtime as string, {}, ...args);

  async function verify(file: Uint8Array, options: VerifyOptions = {}) {
    const golden = await readGolden(readFileSync(LAYERED));
    return verifyModel([{ name: 'model.onnx', bytes: file }], golden, { onnxruntime, ...options });
  }

  test("gives PyTorch's logits, and every layer that PyTorch recorded", async () => {
    const { passed, results } = await verify(await onnxFile());
    expect(passed).toBe(true);
    const [result] = results;
    expect(result?.backend).toEqual({
      name: 'onnx',
      device: 'CPUExecutionProvider',
      driver: null,
      hardware: 'cpu',
      precision: 'float32',
      versions: { 'onnxruntime-node': '1.30.0' },
    });
    expect(result?.layers?.unmatched).toEqual([]);
    expect(result?.layers?.layers).toHaveLength(81);
    expect(result?.layers?.firstJump).toBeNull();
  });

  test.each([
    ['pixels', { input: 'pixels' }],
    ['float16', { quantization: 'float16' }],
  ])('runs a model of %s', async (_, options) => {
    const { passed, results } = await verify(await onnxFile(options));
    expect(passed).toBe(true);
    expect(results[0]?.layers?.unmatched).toEqual([]);
  });

  test('an app gets what TensorFlow.js gives it', async () => {
    const noise = { data: Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251) };
    const image = { ...noise, width: 64, height: 64 };
    const convert = { imageSize: 64, transformInput: false } as const;
    const path = await place('app.onnx', onnxFile());
    const [onnx, tfjs] = [
      await loadGoogLeNet(path, { onnxruntime, warmUp: true }),
      await loadGoogLeNet(BUNDLED, { convert }),
    ];
    expect(onnx.imageSize).toBe(64);
    expect(onnx.layers).toEqual(expect.arrayContaining(['conv1', 'inception3a', 'avgpool', 'fc']));
    for (const layer of ['conv1', 'inception4b', 'avgpool', 'fc']) {
      const [actual, right] = [
        await onnx.activation(image, layer),
        await tfjs.activation(image, layer),
      ];
      expect(actual.shape).toEqual(right.shape);
      // Two float32 runs in different orders; on this network they differ by up to 2e-5.
      expect(distance(actual.data, right.data)).toBeLessThan(5e-5);
    }
    const [best] = await onnx.classify(image);
    expect(best?.index).toBe((await tfjs.classify(image))[0]?.index);
    const converted = await loadGoogLeNet(BUNDLED, { convert, onnxruntime });
    expect(converted.provenance?.format).toBe('onnx');
    expect(await converted.logits(image)).toEqual(await onnx.logits(image));
    for (const model of [onnx, tfjs, converted]) model.dispose();
  });

  /** Spoils a tensor in its place in the file. */
  async function spoilt(name: string, change: (values: DataView) => void, options = {}) {
    const file = await onnxFile(options);
    const { bytes } = new StoredOnnx(file).model.tensors.get(name) ?? expect.fail(name);
    change(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return file;
  }

  const KERNEL = 'inception4b.branch2.1.conv.weight';
  const halve = (values: DataView) => {
    for (let i = 0; i < values.byteLength / 2; i += 4) values.setFloat32(i, 0, true);
  };

  test('a fault is found, and named', SLOW, async () => {
    const { passed, results, diagnosis } = await verify(await spoilt(KERNEL, halve), {
      checkpoint: BUNDLED,
    });
    expect(passed).toBe(false);
    expect(results[0]?.layers?.firstJump).toBe('inception4b.branch2.1');
    expect(diagnosis?.cause).toMatchObject({
      where: expect.stringMatching(/^inception4b\.branch2/),
    });
  });

  test('a node that is not GoogLeNet’s is named', SLOW, async () => {
    const file = await onnxFile();
    const text = new TextDecoder('latin1').decode(file);
    const node = text.indexOf('inception4c.branch1"\u0004Relu');
    expect(node).toBeGreaterThan(0);
    file.set(new TextEncoder().encode('Selu'), text.indexOf('Relu', node));
    const { diagnosis } = await verify(file);
    expect(diagnosis?.cause).toMatchObject({ id: 'topology', where: 'inception4c.branch1' });
  });

  test('a bit of one weight is found by --checkpoint', SLOW, async () => {
    const flip = (values: DataView) => {
      values.setUint8(20, values.getUint8(20) ^ 1);
    };
    for (const [name, options] of [
      [KERNEL, {}],
      [`${KERNEL}.float16`, { quantization: 'float16' }],
    ] as const) {
      const file = await spoilt(name, flip, options);
      await expect(verify(file, { checkpoint: BUNDLED })).rejects.toMatchObject({
        code: 'model',
        message: expect.stringContaining(`weight ${name} is not what converting`),
      });
    }
  });

  test('verify and classify take an .onnx file, and a checkpoint', SLOW, async () => {
    const path = await place('commands.onnx', onnxFile());
    const own = await inRuntime('verify', path, '--golden', LAYERED);
    expect(own).toMatchObject({ status: 0, stderr: '' });
    expect(own.stdout).toMatch(
      /^onnx +CPUExecutionProvider, processor, float32, onnxruntime-node/m,
    );
    const both = ['--backend', 'wasm,onnx', '--no-transform-input'];
    const run = await inRuntime('verify', CHECKPOINT, '--golden', LAYERED, ...both);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/^PASS: parity holds on wasm, onnx: /m);
    const photo = join(GOLDEN, 'photos/grey.jpg');
    const options = ['--image-size', '64', '--no-transform-input'];
    const classified = await inRuntime('classify', CHECKPOINT, photo, ...options);
    expect(classified).toMatchObject({
      status: 0,
      stderr: 'ran on onnx (CPUExecutionProvider)\n',
    });
    expect(classified.stdout).toMatch(/\(?194\)?/);
  });

  test('convert writes a file that was proved, and no other', SLOW, async () => {
    const convert = (out: string, ...options: string[]) =>
      inRuntime('convert', CHECKPOINT, at(out), '--golden', LAYERED, ...options);
    const right = await convert('proved.onnx', '--no-transform-input');
    expect(right.status).toBe(0);
    expect(right.stdout).toMatch(/^parity +‖Δ‖\/‖ref‖ \S+ from PyTorch's logits/m);
    expect(right.stdout).toMatch(/^float16 +13\.3 MB/m);
    expect(right.stdout).not.toMatch(/uint8/);
    const wrong = await convert('wrong.onnx', '--transform-input');
    expectFailure(wrong, 1, /wrong\.onnx is not written: .*transform_input was off in PyTorch/);
  });

  test.each([
    ['fewer logits', { output: { name: 'y', type: 'float32', shape: ['N', 3, 4, 4] } }],
    ['no image', { input: { name: 'x', type: 'float32', shape: ['N', 1000] } }],
    ['images of any size', { input: { name: 'x', type: 'float32', shape: ['N', 3, 'h', 'w'] } }],
  ] as const)('a model of %s is refused', (_, part) => {
    const graph = {
      nodes: [{ op: 'Relu', name: 'r', inputs: ['x'], output: 'y', attributes: {} }],
      input: { name: 'x', type: 'float32', shape: ['N', 3, 4, 4] },
      output: { name: 'y', type: 'float32', shape: ['N', 5] },
      ...part,
    } as const;
    const rest = { name: 'g', tensors: [], producer: { name: '', version: '' }, metadata: {} };
    expect(() => new StoredOnnx(encodeModel({ ...rest, graph }))).toThrow(
      /it should take one square image/,
    );
  });
});

describe('a backend and a model that do not go together', () => {
  let onnx: string;
  beforeAll(async () => {
    onnx = await place('model.onnx', onnxFile());
  });

  test('are refused, with those that do', async () => {
    const wasm = await pth2tfjs('verify', onnx, '--golden', LAYERED, '--backend', 'wasm');
    const fits =
      /wasm does not run ONNX models; choose --backend onnx or onnx-webgpu or onnx-cuda or float64,/;
    expectFailure(wasm, 2, fits);
    const { files } = await convertBundled({ imageSize: 64, transformInput: false });
    const golden = await readGolden(readFileSync(LAYERED));
    await expect(verifyModel(files, golden, { backends: ['onnx'] })).rejects.toMatchObject({
      code: 'backend',
      message: 'the backend onnx does not run layers models',
    });
  });

  test('a runtime that is not installed is named', async () => {
    const run = await pth2tfjsIn(folder, {}, 'verify', onnx, '--golden', LAYERED);
    expectFailure(run, 2, /needs the package onnxruntime-node, .*npm install onnxruntime-node$/m);
  });
});

describe.skipIf(runtime === undefined)('ONNX Runtime on GPUs', () => {
  test('onnx-cuda without a device is refused', async () => {
    const path = await place('cuda.onnx', onnxFile());
    const args = ['verify', path, '--golden', LAYERED, '--backend', 'onnx-cuda'];
    const run = await pth2tfjsIn(runtime as string, {}, ...args);
    expectFailure(
      run,
      2,
      /backend onnx-cuda cannot be used: .* needs an NVIDIA GPU with its driver/,
    );
  });

  const adapter = probeWebGPU();
  if (!adapter.found) console.warn('SKIPPED: onnx-webgpu, no Vulkan driver is found');

  test.skipIf(!adapter.found)('onnx-webgpu says what it runs on', SLOW, async () => {
    const path = await place('webgpu.onnx', onnxFile());
    const args = ['verify', path, '--golden', LAYERED, '--backend', 'onnx-webgpu'];
    const run = await pth2tfjsIn(runtime as string, VULKAN_ENV, ...args);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(
      /^onnx-webgpu +swiftshader\S*, WebGpuExecutionProvider, SwiftShader driver \S+, software/im,
    );
    const strict = await pth2tfjsIn(runtime as string, VULKAN_ENV, ...args, '--require-gpu');
    expectFailure(strict, 1, /onnx-webgpu runs on a software adapter/);
  });

  test.skipIf(!adapter.found)('no node is run on the processor instead', SLOW, async () => {
    // Hardmax is one of ONNX's operators that have a kernel for the processor alone.
    const model = encodeModel({
      graph: {
        nodes: [
          { op: 'GlobalAveragePool', name: 'pool', inputs: ['x'], output: 'pool', attributes: {} },
          { op: 'Flatten', name: 'flat', inputs: ['pool'], output: 'flat', attributes: {} },
          { op: 'Gemm', name: 'fc', inputs: ['flat', 'w'], output: 'fc', attributes: {} },
          { op: 'Hardmax', name: 'max', inputs: ['fc'], output: 'y', attributes: {} },
        ],
        input: { name: 'x', type: 'float32', shape: ['N', 3, 64, 64] },
        output: { name: 'y', type: 'float32', shape: ['N', 1000] },
      },
      name: 'partial',
      tensors: [{ name: 'w', shape: [3, 1000], type: 'float32', bytes: new Uint8Array(12000) }],
      producer: { name: 'test', version: '' },
      metadata: {},
    });
    const path = await place('partial.onnx', model);
    const args = ['verify', path, '--golden', LAYERED, '--no-diagnose', '--backend'];
    const run = await pth2tfjsIn(runtime as string, VULKAN_ENV, ...args, 'onnx-webgpu');
    expectFailure(
      run,
      2,
      /WebGpuExecutionProvider takes only some of its nodes, and the rest would run/,
    );
    // The processor does run it, whatever comes out.
    const own = await pth2tfjsIn(runtime as string, {}, ...args, 'onnx');
    expect(own.stdout).toMatch(/^FAIL: parity fails on onnx/m);
  });
});

function distance(a: Float32Array, b: Float32Array): number {
  let [difference, norm] = [0, 0];
  for (const [i, value] of a.entries()) {
    difference += (value - (b[i] as number)) ** 2;
    norm += (b[i] as number) ** 2;
  }
  return Math.sqrt(difference / norm);
}
