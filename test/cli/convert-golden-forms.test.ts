/** `convert --golden` for everything that `convert` writes. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readCheckpoint, saveStateDict } from '../../src/checkpoint/index.js';
import { BUNDLED, CHECKPOINT } from '../helpers/bundled.js';
import { expectFailure, pth2tfjs } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';
import { beside, convert, metadata, out, small, tmp } from './convert-golden.js';

describe('every form', () => {
  test('a trainable model is judged, and not stored otherwise', SLOW, async () => {
    const run = await convert('--golden', small, '--trainable');
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/^parity +‖Δ‖/m);
    expect(run.stdout).not.toMatch(/float16/);
    expect(metadata().training).toBeDefined();
  });

  test('a trainable model that is wrong is not written', SLOW, async () => {
    const args = ['--golden', small, '--trainable', '--transform-input', '--no-diagnose'];
    expectFailure(await convert(...args), 1, /parity fails/);
    expect(beside()).toEqual([]);
  });

  test.each([
    ['a graph', ['--format', 'graph']],
    ['a graph that takes pixels', ['--format', 'graph', '--input', 'pixels']],
  ])('%s', SLOW, async (_, form) => {
    const right = await convert('--golden', small, ...form);
    expect(right).toMatchObject({ status: 0, stderr: '' });
    expect(metadata().format).toBe('graph');
    const args = ['--golden', small, ...form, '--transform-input', '--force', '--quiet'];
    const wrong = await convert(...args);
    expectFailure(
      wrong,
      1,
      /transform_input was off in PyTorch\. Convert again with --no-transform/,
    );
    expect(metadata().transformInput).toBe(false);
    expect(beside()).toEqual(['out']);
  });

  describe('safetensors', () => {
    const toFile = (...args: string[]) =>
      pth2tfjs('convert', CHECKPOINT, `${out}.safetensors`, '--golden', small, ...args);

    test('whose model gives the logits, and then transform_input is noted', async () => {
      const run = await toFile();
      expect(run).toMatchObject({ status: 0, stderr: '' });
      expect(run.stdout).toMatch(/^parity +‖Δ‖\/‖ref‖ \d\.\d\de-[56] from PyTorch's logits/m);
      expect(run.stdout).toMatch(/^transform_input +off, as the file notes/m);
      expect(beside()).toEqual(['out.safetensors']);
      const { metadata } = await readCheckpoint(readFileSync(`${out}.safetensors`));
      expect(metadata.get('transform_input')).toBe('false');
      expect(metadata.get('checkpoint_sha256')).toMatch(/^6ca9c6551a1d/);
    });

    test('whose model does not are not written, and the cause is told', async () => {
      expectFailure(
        await toFile('--transform-input', '--no-diagnose'),
        1,
        /out\.safetensors is not written: .*not within 5\.00e-5/,
      );
      expect(beside()).toEqual([]);
    });

    test('in a folder, and with --force', SLOW, async () => {
      const call = ['convert', CHECKPOINT, out, '--format', 'safetensors', '--golden', small];
      const run = await pth2tfjs(...call, '--json');
      expect(run.status).toBe(0);
      expect(JSON.parse(run.stdout)).toMatchObject({
        transformInput: false,
        parity: { golden: small, rtol: 1e-4, float32: { images: 2 } },
      });
      const before = readFileSync(join(out, 'model.safetensors'));
      const wrong = await pth2tfjs(...call, '--force', '--transform-input', '--quiet');
      expectFailure(wrong, 1, /transform_input was off in PyTorch\. Convert again with --no-/);
      expect(readFileSync(join(out, 'model.safetensors')).equals(before)).toBe(true);
      expect(beside()).toEqual(['out']);
    });

    test('from a golden file of another checkpoint are refused', SLOW, async () => {
      const other = join(tmp, 'other.pth');
      const tensors = new Map((await readCheckpoint(BUNDLED)).value as ReadonlyMap<string, never>);
      tensors.delete('aux1.conv.conv.weight');
      writeFileSync(other, await saveStateDict(tensors));
      const call = ['convert', other, `${out}.safetensors`, '--golden', small];
      expectFailure(await pth2tfjs(...call), 2, /was made from another checkpoint/);
      expect((await pth2tfjs(...call, '--allow-other-checkpoint', '--quiet')).status).toBe(0);
      const odd = ['convert', CHECKPOINT, `${out}.2.safetensors`, '--no-diagnose'];
      expectFailure(await pth2tfjs(...odd), 2, /--no-diagnose goes with --golden/);
    });
  });

  test('stored in less: its own error is told, and the bound that passes', SLOW, async () => {
    const run = await convert('--golden', small, '--quantize', 'uint8');
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const rtol = /stored as uint8 .*, which verify passes with --rtol (\S+)$/m.exec(
      run.stdout,
    )?.[1];
    const args = ['verify', out, '--golden', small];
    expect((await pth2tfjs(...args, '--rtol', rtol as string)).status).toBe(0);
    const tighter = String(Number(rtol) * 0.9);
    expect((await pth2tfjs(...args, '--rtol', tighter, '--no-diagnose')).status).toBe(1);
  });

  test('stored in less, of a network that is wrong in float32', SLOW, async () => {
    const args = ['--golden', small, '--quantize', 'uint8', '--transform-input', '--no-diagnose'];
    expectFailure(await convert(...args), 1, /not within 5\.00e-5/);
    expect(beside()).toEqual([]);
  });
});
