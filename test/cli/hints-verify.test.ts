/** What `verify` advises is tried, too. */
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { denseTensor, saveStateDict } from '../../src/checkpoint/index.js';
import { CHECKPOINT } from '../helpers/bundled.js';
import { pth2tfjs } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';
import { type Advice, at, SIZED, small, take } from './hints.js';

/** A golden file that says nothing of where it came from. */
async function plainGolden(name: string, size: number): Promise<string> {
  const half = (...shape: number[]) =>
    denseTensor('float32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5));
  const tensors = new Map([
    ['input', half(1, 3, size, size)],
    ['logits', half(1, 1000)],
  ]);
  writeFileSync(at(name), await saveStateDict(tensors));
  return at(name);
}

describe('verify', () => {
  const folder = ['convert', CHECKPOINT, at('model'), '--force', ...SIZED];
  const verify = ['verify', at('model'), '--golden', small];
  const CASES: Readonly<Record<string, Advice>> = {
    'a bound tighter than rounding': {
      given: [folder],
      call: [...verify, '--rtol', '1e-9'],
      status: 1,
      says: /pass at least (--rtol) (\S+?)\.\n/,
      next: ([, option, rtol]) => [...verify, option as string, rtol as string],
    },
    'the smallest bounds': {
      given: [folder],
      call: [...verify, '--rtol', '1e-9', '--no-diagnose'],
      status: 1,
      says: /smallest that would pass: --rtol \S+ or (--atol) (\S+)/,
      next: ([, option, atol]) => [...verify, option as string, atol as string],
    },
    'kernels stored in less': {
      given: [[...folder, '--quantize', 'uint16']],
      call: [...verify, '--rtol', '1e-4'],
      status: 1,
      says: /kernels are stored as uint16.*\. Convert without --quantize, or accept the error: (--rtol) (\S+?)\.\n/,
      next: ([, option, rtol]) => [...verify, option as string, rtol as string],
    },
    'the same, without --quantize': {
      given: [[...folder, '--quantize', 'uint8']],
      call: [...verify, '--checkpoint', CHECKPOINT, '--rtol', '5e-2'],
      status: 1,
      says: /Likely cause: the model's kernels are stored as uint8 \(error .*\)\. Convert without --quantize/,
      next: () => ['convert', CHECKPOINT, at('again'), '--golden', small],
    },
    'a GPU that is not there': {
      given: [folder],
      call: [...verify, '--require-gpu'],
      status: 1,
      says: /or drop --require-gpu/,
      next: () => verify,
    },
  };
  test.each(Object.entries(CASES))('%s', SLOW, async (_, advice) => take(advice));

  test('a search that takes long says so in a pipe, and how to leave it out', SLOW, async () => {
    const golden = await plainGolden('made-up.pth', 64);
    await pth2tfjs(...folder);
    const call = ['verify', at('model'), '--golden', golden, '--json'];
    const run = await pth2tfjs(...call);
    expect(run.status).toBe(1);
    const told = run.stderr.split('\n').filter((line) => line.startsWith('looking for the cause'));
    // It tries more than a hundred things, which takes longer than the three seconds before the first.
    expect(told.length).toBeGreaterThan(0);
    for (const line of told) {
      expect(line).toMatch(/^looking for the cause \(--no-diagnose leaves it out\): ./);
    }
    const quick = await pth2tfjs(...call, '--no-diagnose');
    expect(JSON.parse(quick.stdout).diagnosis).toBe(null);
    expect(quick.stderr).not.toMatch(/looking for/);
    expect(JSON.parse(run.stdout).diagnosis.hints).toContainEqual(
      expect.stringMatching(/^Pass --checkpoint with the \.pth file that the model was made of/),
    );
    expect((await pth2tfjs(...verify, '--checkpoint', CHECKPOINT)).status).toBe(0);
  });
});
