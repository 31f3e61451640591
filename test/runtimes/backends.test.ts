import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import wasmManifest from '@tensorflow/tfjs-backend-wasm/package.json' with { type: 'json' };
import webgpuManifest from '@tensorflow/tfjs-backend-webgpu/package.json' with { type: 'json' };
import { describe, expect, test } from 'vitest';
import dawnManifest from 'webgpu/package.json' with { type: 'json' };
import { hardwareOf } from '../../src/runtimes/adapter.js';
import { CHECKPOINT } from '../helpers/bundled.js';
import { expectFailure, GOLDEN, pth2tfjsWith } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';
import { probeWebGPU, VULKAN_ENV } from '../helpers/vulkan.js';

const checkpoint = CHECKPOINT;
/** Two images of 64x64 with all layers: the kernels are those of 224x224, which take a software GPU a minute. */
const golden = join(GOLDEN, 'googlenet.64.layers.golden.pth.gz');

/** Verifies the bundled network as a user would. */
const verify = (...options: string[]) =>
  pth2tfjsWith(
    VULKAN_ENV,
    ...['verify', checkpoint, '--golden', golden, '--no-transform-input', ...options],
  );

const adapter = probeWebGPU();
if (!adapter.found) {
  console.warn('SKIPPED: WebGPU, no Vulkan driver is found (Debian: chromium and libvulkan1)');
}

interface Report {
  readonly passed: boolean;
  readonly results: readonly {
    readonly backend: {
      readonly name: string;
      readonly device: string;
      readonly driver: string | null;
      readonly hardware: string;
      readonly versions: Readonly<Record<string, string>>;
    };
    readonly comparison: { readonly passed: boolean; readonly images: readonly unknown[] };
  }[];
}

describe.skipIf(!adapter.found)('WebGPU', () => {
  test('gives the logits of PyTorch, beside the others, and the process ends by itself', {
    ...SLOW,
    timeout: 400_000,
  }, async () => {
    const run = await verify('--backend', 'wasm,cpu,webgpu', '--json');
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const { passed, results } = JSON.parse(run.stdout) as Report;
    expect(passed).toBe(true);
    expect(results.map(({ backend }) => backend.name)).toEqual(['wasm', 'cpu', 'webgpu']);
    for (const { comparison } of results) {
      expect(comparison).toMatchObject({ passed: true });
      expect(comparison.images).toHaveLength(2);
    }
    const [wasm, , webgpu] = results.map(({ backend }) => backend);
    expect(wasm?.versions).toMatchObject({
      '@tensorflow/tfjs-backend-wasm': wasmManifest.version,
    });
    expect(webgpu).toMatchObject({
      device: adapter.device,
      versions: {
        webgpu: dawnManifest.version,
        '@tensorflow/tfjs-backend-webgpu': webgpuManifest.version,
      },
    });
  });

  test('starts again after it was stopped, leaves nothing behind, and lets the process end', async () => {
    const child = fileURLToPath(new URL('webgpu-child.mjs', import.meta.url));
    const env = { ...process.env, ...VULKAN_ENV };
    const { stdout } = await promisify(execFile)(process.execPath, [child], { env });
    expect(JSON.parse(stdout)).toEqual({
      devices: [adapter.device, adapter.device],
      products: [
        [2, 4, 6],
        [3, 6, 9],
      ],
      sumOnWasm: [2],
      leftBehind: [],
    });
  });

  test.skipIf(!/swiftshader|llvmpipe/i.test(adapter.device))(
    'says that a software adapter is no GPU',
    async () => {
      const run = await verify('--backend', 'webgpu', '--require-gpu');
      expectFailure(run, 1, /webgpu runs on a software adapter \(.*(swiftshader|llvmpipe)/i);
    },
  );
});

test('a processor is no GPU either, and that is told before the work', async () => {
  expectFailure(
    await verify('--backend', 'wasm', '--require-gpu'),
    1,
    /wasm runs on the processor/,
  );
});

test('an absent package comes with the command that installs it', async () => {
  const run = await verify('--backend', 'cuda');
  expectFailure(run, 2, /@tensorflow\/tfjs-node-gpu.*npm install @tensorflow\/tfjs-node-gpu@4/);
});

test('an unknown backend comes with the names of the known ones', async () => {
  expectFailure(await verify('--backend', 'wasm,gpu'), 2, /'gpu'.*cuda, webgpu, tensorflow, wasm/);
});

describe('telling a GPU from a program that plays one', () => {
  const unknown = { vendor: '', architecture: '', device: '', description: '' };

  // As the drivers of Mesa, Google and Microsoft name themselves.
  test.each([
    { description: 'llvmpipe (LLVM 15.0.6, 256 bits)' },
    { vendor: 'google', architecture: 'swiftshader' },
    { device: 'Microsoft Basic Render Driver' },
    { vendor: 'acme', isFallbackAdapter: true },
  ])('%o is a program', (info) => {
    expect(hardwareOf({ ...unknown, ...info })).toBe('software-gpu');
  });

  test.each([
    { vendor: 'nvidia', architecture: 'hopper', device: 'NVIDIA H100 PCIe' },
    { vendor: 'apple', architecture: 'apple-m1' },
    { vendor: 'intel', description: 'Intel(R) Arc(tm) A770 Graphics (DG2)' },
  ])('%o is a GPU', (info) => {
    expect(hardwareOf({ ...unknown, ...info })).toBe('gpu');
  });
});
