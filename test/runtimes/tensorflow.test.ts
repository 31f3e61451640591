import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { readNvidiaGPUs } from '../../cli/nvidia.js';
import { temporaryFolder } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';

const { PTH2TFJS_TFJS_NODE: folder } = process.env;
if (!folder) {
  console.warn(
    'SKIPPED: tfjs-node, PTH2TFJS_TFJS_NODE names no folder that holds it (.ci/tfjs-node.sh builds one)',
  );
}

/** Runs backends of that folder in a process of their own, which must end by itself. */
async function verifyOn(...backends: string[]) {
  const child = fileURLToPath(new URL('tensorflow-child.mjs', import.meta.url));
  const args = [child, folder as string, ...backends];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { timeout: 90_000 });
  const { results, leftBehind } = JSON.parse(stdout);
  return { results, leftBehind, stderr };
}

describe.skipIf(!folder)("TensorFlow's C library", () => {
  test('gives the logits of PyTorch, twice in one process, and says nothing beside them', async () => {
    const { results, leftBehind, stderr } = await verifyOn('tensorflow', 'wasm', 'tensorflow');
    const manifest = join(folder as string, 'node_modules/@tensorflow/tfjs-node/package.json');
    expect(results.map(({ backend }: { backend: { name: string } }) => backend.name)).toEqual([
      'tensorflow',
      'wasm',
      'tensorflow',
    ]);
    for (const { comparison } of results) {
      expect(comparison).toMatchObject({ passed: true });
      expect(comparison.images).toHaveLength(4);
    }
    expect(results[2].backend).toEqual(results[0].backend);
    expect(results[0].backend).toMatchObject({
      hardware: 'cpu',
      precision: 'float32',
      versions: {
        '@tensorflow/tfjs-node': JSON.parse(readFileSync(manifest, 'utf8')).version,
        libtensorflow: expect.stringMatching(/^2\.\d+\.\d+/),
      },
    });
    expect(leftBehind).toEqual([]);
    expect(stderr).toBe('');
  });

  test('is refused as cuda where there is no GPU, and not used in its place', async () => {
    const { results, leftBehind } = await verifyOn('cuda');
    // On a machine with a GPU this would be a result; the packages built here have none.
    expect(results).toEqual([{ error: expect.stringMatching(/cuda.*finds no CUDA device/) }]);
    expect(leftBehind).toEqual([]);
  });

  // The loader keeps one library of a name: the second package would compute with the first's.
  test.each([
    [['tensorflow', 'cuda'], 'cuda'],
    [['cuda', 'tensorflow'], 'tensorflow'],
  ])('of one package is not taken for the other’s: %s', SLOW, async (backends, second) => {
    const { results } = await verifyOn(...backends);
    expect(results[1].error).toMatch(new RegExp(`backend ${second} .*was loaded before`));
  });
});

describe('the files of NVIDIA’s driver', () => {
  const driver = temporaryFolder();

  // As the README of NVIDIA's Linux driver shows them, chapter "Using the /proc file system interface".
  test('tell the cards and the version', async () => {
    mkdirSync(join(driver, 'gpus', '0000:65:00.0'), { recursive: true });
    writeFileSync(
      join(driver, 'version'),
      'NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n',
    );
    writeFileSync(
      join(driver, 'gpus', '0000:65:00.0', 'information'),
      'Model: \t\t NVIDIA H100 PCIe\nIRQ:   \t\t 178\nGPU UUID: \t GPU-00000000\n',
    );
    expect(await readNvidiaGPUs(driver)).toEqual({
      names: ['NVIDIA H100 PCIe'],
      driver: 'NVIDIA driver 535.104.05',
    });
  });

  test('are absent elsewhere', async () => {
    expect(await readNvidiaGPUs(join(driver, 'nowhere'))).toBeNull();
  });
});
