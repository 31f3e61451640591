import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { denseTensor, saveStateDict } from '../../src/checkpoint/index.js';
import { convertCheckpoint, readGolden } from '../../src/index.js';
import { BUNDLED, CHECKPOINT } from '../helpers/bundled.js';
import { expectFailure, MAIN, pth2tfjs } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';
import { beside, convert, metadata, out, small, tmp, transformed } from './convert-golden.js';

/** A golden file as people save it, which says nothing of where it came from. */
async function plainGolden(name: string, size: number, numClasses: number, images = 1) {
  const zeros = (...shape: number[]) =>
    denseTensor('float32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5));
  const tensors = new Map([
    ['input', zeros(images, 3, size, size)],
    ['logits', zeros(images, numClasses)],
  ]);
  const path = join(tmp, name);
  writeFileSync(path, await saveStateDict(tensors));
  return path;
}

describe('a golden file that records the same checkpoint', () => {
  test('gives the size, and its logits let the model have its name', async () => {
    const run = await convert('--golden', small);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(
      /^parity +‖Δ‖\/‖ref‖ \d\.\d\de-[56] from PyTorch's logits, within 1\.00e-4$/m,
    );
    // What it would cost to store it in less.
    expect(run.stdout).toMatch(/^float32 .*\nfloat16 .*\nuint16 .*\nuint8 .* \d of 2$/m);
    expect(beside()).toEqual(['out']);
    expect(metadata()).toMatchObject({
      transformInput: false,
      input: { shape: [null, 64, 64, 3] },
    });
  });

  test('gives transform_input', SLOW, async () => {
    const run = await convert('--golden', transformed, '--json');
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const { transformInput, parity, warnings } = JSON.parse(run.stdout);
    expect({ transformInput, warnings }).toEqual({ transformInput: true, warnings: [] });
    expect(parity).toMatchObject({ rtol: 5e-5, float32: { stored: 'float32', images: 2 } });
    expect(parity.float32.error).toBeLessThan(5e-5);
  });

  test('gives both to verify, too, where that converts', SLOW, async () => {
    const run = await pth2tfjs('verify', CHECKPOINT, '--golden', transformed);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/transform_input on/);
  });

  test('is contradicted by a flag, which counts; then nothing is written', SLOW, async () => {
    const run = await convert('--golden', transformed, '--no-transform-input', '--quiet');
    expectFailure(run, 1, /out is not written: parity fails on wasm: .*transform_input was on in/);
    expect(run.stderr).toMatch(/; leave --golden out to write it all the same$/m);
    expect(beside()).toEqual([]);
    expect((await convert('--no-transform-input', '--quiet')).status).toBe(0);
  });

  test('is said to be contradicted where no cause is looked for', SLOW, async () => {
    const args = ['--golden', transformed, '--no-transform-input', '--no-diagnose', '--json'];
    const run = await convert(...args);
    expect(run.status).toBe(1);
    const { error } = JSON.parse(run.stdout);
    expect(error).toMatchObject({
      code: 'parity',
      hint: 'leave --golden out to write it all the same',
    });
    expect(error.message).toMatch(
      /golden file says that transform_input was on in PyTorch, the model has it off; --transform-input/,
    );
    expect(beside()).toEqual([]);
  });

  test('counts by its hash alone', async () => {
    const golden = await readGolden(gunzipSync(readFileSync(transformed)));
    const other = { ...golden.provenance, checkpointSha256: 'f'.repeat(64) };
    const options = [
      [golden, true, 224],
      [{ ...golden, provenance: { ...other } as typeof golden.provenance }, false, 224],
      [{ ...golden, shape: [2, 3, 64, 64] as const }, true, 64],
      [{ ...golden, shape: [2, 3, 64, 64] as const, provenance: null }, false, 224],
    ] as const;
    for (const [each, transformInput, size] of options) {
      const { provenance } = await convertCheckpoint(BUNDLED, { crc32, golden: each });
      expect([provenance.transformInput, provenance.input.shape[1]]).toEqual([
        transformInput,
        size,
      ]);
    }
    const { provenance } = await convertCheckpoint(BUNDLED, {
      crc32,
      golden,
      imageSize: 96,
      transformInput: false,
    });
    expect([provenance.transformInput, provenance.input.shape[1]]).toEqual([false, 96]);
  });
});

describe('before anything is written or run', () => {
  test('another size is refused, with the option that fits it', async () => {
    const golden = await plainGolden('32.pth', 32, 1000);
    expectFailure(
      await convert('--golden', golden),
      2,
      /32\.pth: .*images of 32x32.*--image-size 32/,
    );
    expectFailure(await convert('--golden', small, '--image-size', '96'), 2, /--image-size 64/);
    expect(beside()).toEqual([]);
    // The hint brings it as far as the logits, which are made up.
    const run = await convert('--golden', golden, '--image-size', '32', '--no-diagnose');
    expectFailure(run, 1, /parity fails/);
    expect(beside()).toEqual([]);
  });

  test('images that the network cannot take are no matter of the size', SLOW, async () => {
    const golden = await plainGolden('8.pth', 8, 1000);
    expectFailure(await convert('--golden', golden), 2, /images of 8x8.*15 pixels or more/);
  });

  test('another number of classes is refused', async () => {
    const golden = await plainGolden('ten.pth', 224, 10);
    expectFailure(
      await convert('--golden', golden),
      2,
      /logits of 10 classes, the model gives 1000/,
    );
    expect(beside()).toEqual([]);
  });

  test('a file that is none is refused before the checkpoint is read', async () => {
    const text = join(tmp, 'golden.txt');
    writeFileSync(text, 'not a golden file');
    for (const golden of [text, CHECKPOINT, join(tmp, 'absent.pth')]) {
      const run = await pth2tfjs('convert', join(tmp, 'absent'), out, '--golden', golden);
      expectFailure(run, 2, golden);
    }
    expect(beside()).toEqual([]);
  });

  test('what --force would replace is not to be read from', async () => {
    mkdirSync(out);
    const golden = join(out, 'golden.pth.gz');
    writeFileSync(golden, readFileSync(small));
    const run = await convert('--golden', golden, '--force');
    expectFailure(run, 2, /golden\.pth\.gz lies inside .*out, which --force would replace/);
    expect(readdirSync(out)).toEqual(['golden.pth.gz']);
  });

  test('pixels that no image has are refused for a model that takes pixels', async () => {
    const golden = await plainGolden('odd.pth', 224, 1000);
    const args = ['--golden', golden, '--format', 'graph', '--input', 'pixels'];
    expectFailure(await convert(...args), 2, /holds 0\.5 in its input/);
  });

  test('options that need it are refused without it', async () => {
    expectFailure(await convert('--no-diagnose'), 2, /--no-diagnose goes with --golden/);
    expectFailure(await convert('--allow-other-checkpoint'), 2, /goes with --golden/);
  });
});

describe('another checkpoint', () => {
  test('is refused, unless that is allowed', SLOW, async () => {
    const other = join(tmp, 'again.pth');
    // The same weights in another file: legacy streams have another hash.
    const { value } = await import('../../src/checkpoint/index.js').then((m) =>
      m.readCheckpoint(BUNDLED),
    );
    writeFileSync(other, await saveStateDict(value as never, { format: 'legacy' }));
    const args = ['convert', other, out, '--golden', small, '--image-size', '64'];
    expectFailure(
      await pth2tfjs(...args),
      2,
      /made from another checkpoint.*--allow-other-checkpoint/,
    );
    expect(beside()).toEqual([]);
    const run = await pth2tfjs(...args, '--allow-other-checkpoint', '--no-transform-input');
    expect(run).toMatchObject({ status: 0, stderr: '' });
  });
});

describe.skipIf(process.platform === 'win32')('a run that is ended', SLOW, () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGKILL', null],
  ] as const)('by %s leaves nothing under the name', async (signal, status) => {
    // Enough images that it is still at work when it is told to stop.
    const golden = await plainGolden('many.pth', 64, 1000, 400);
    const args = ['convert', CHECKPOINT, out, '--golden', golden, '--image-size', '64'];
    const child = spawn(process.execPath, [MAIN, ...args, '--no-diagnose'], { stdio: 'ignore' });
    const staged = () => beside().some((name) => existsSync(join(out, '..', name, 'model.json')));
    while (!staged() && child.exitCode === null) await new Promise((wake) => setTimeout(wake, 20));
    await new Promise((wake) => setTimeout(wake, 1000));
    expect(child.exitCode).toBe(null);
    child.kill(signal);
    const [code] = await once(child, 'close');
    expect(code).toBe(status);
    expect(existsSync(out)).toBe(false);
    if (signal !== 'SIGKILL') expect(beside()).toEqual([]);
    else expect((await convert('--quiet')).status).toBe(0);
    expect(beside()).toEqual(signal === 'SIGKILL' ? ['out'] : []);
  });
});
