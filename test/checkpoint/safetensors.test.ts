/**
 * safetensors, in and out: against the reference library where Python has it, and against the files that
 * it wrote into golden/safetensors, which golden.test.ts reads as well.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { listTensors, readCheckpoint, saveSafetensors } from '../../src/checkpoint/index.js';
import { contiguousBytes } from '../../src/checkpoint/tensor/tensor.js';
import { isPth2tfjsError, type Pth2tfjsError, readGolden } from '../../src/index.js';
import { pth2tfjs } from '../helpers/cli.js';
import { recordsOf, sha256 } from '../helpers/digest.js';
import { findSafetensors, runPython } from '../helpers/python.js';
import { drawSeed } from '../helpers/seed.js';
import { SLOW } from '../helpers/tiers.js';
import {
  checkpoint,
  flat,
  folder,
  original,
  read,
  recorded,
  tensorsOf,
  withHeader,
} from './safetensors-files.js';

const python = await findSafetensors('safetensors against the reference library');
const seed = drawSeed('safetensors.test.ts');
const SCRIPT = 'test/checkpoint/safetensors.py';

describe.skipIf(python === undefined)('the reference library', () => {
  const files = join(folder, 'reference');

  beforeAll(async () => {
    mkdirSync(files);
    await runPython(python as string, SCRIPT, 'write', files, '--seed', String(seed));
  });

  it('loads what is written, to the type and the bit, as torchvision takes it', async () => {
    const answer = JSON.parse(await runPython(python as string, SCRIPT, 'load', flat, checkpoint));
    expect(answer).toMatchObject({
      same: true,
      taken: '<All keys matched successfully>',
      metadata: {
        format: 'pt',
        checkpoint: 'googlenet.pth.gz',
        checkpoint_sha256: sha256(original),
      },
    });
  });

  it.each([
    ['the bundled checkpoint', 'bundled', checkpoint],
    ['all types and odd names', 'mixed', join(files, 'mixed.pth')],
  ])(`writes the same bytes: %s`, async (_, name, pth) => {
    const theirs = read(join(files, `${name}.safetensors`));
    const tensors = await tensorsOf(read(pth));
    expect(Buffer.compare(saveSafetensors(tensors, new Map([['format', 'pt']])), theirs)).toBe(0);
    const found = recordsOf(await tensorsOf(theirs));
    expect(found).toEqual(recordsOf(tensors));
  });

  it('writes networks and golden files that verify takes', SLOW, async () => {
    const [network, goldenFile] = ['network', 'golden'].map((name) =>
      join(files, `${name}.safetensors`),
    ) as [string, string];
    const run = await pth2tfjs('verify', network, '--golden', goldenFile, '--layers');
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/^golden .*, torch 1|2\..*, from flat\.pth, transform_input on$/m);
    expect(run.stdout).toMatch(/^2 +inception3a +2x256x12x12 /m);
    expect(run.stdout).toMatch(/PASS: parity holds on wasm: 2 images/);
    const { provenance } = await readGolden(read(goldenFile));
    expect(provenance).toMatchObject({ transformInput: true, training: false });
  });

  it(`agrees on what is broken`, async () => {
    const directory = join(folder, 'mutants');
    mkdirSync(directory);
    const mutants = drawMutants(400);
    for (const [i, bytes] of mutants.entries()) writeFileSync(join(directory, `${i}`), bytes);
    const verdicts = JSON.parse(await runPython(python as string, SCRIPT, 'judge', directory));
    let [good, bad] = [0, 0];
    for (const [i, bytes] of mutants.entries()) {
      const theirs: Readonly<Record<string, [string, number[], string]>> | null = verdicts[i];
      const ours = await readCheckpoint(bytes).catch((error: Pth2tfjsError) => error);
      if (ours instanceof Error) {
        expect(ours).toSatisfy(isPth2tfjsError);
        // The format forbids these; the library lets them through.
        const stricter = /comes twice|starts with/.test(ours.message);
        if (!stricter) expect([i, ours.message, theirs]).toEqual([i, ours.message, null]);
        bad++;
      } else {
        const found = [...listTensors(ours.value)].map(([name, tensor]) => [
          name,
          tensor.shape,
          sha256(contiguousBytes(tensor)),
        ]);
        const wanted = Object.entries(theirs ?? { refused: ['', [], ''] as const });
        expect(new Set(found.map(String))).toEqual(
          new Set(wanted.map(([name, [, shape, digest]]) => String([name, shape, digest]))),
        );
        good++;
      }
    }
    // Neither side of the question goes unasked. Of 20,000 mutants 7 % were good: that of 400 no more than 5
    // are, which is binomial, has a chance of 1e-7.
    expect(Math.min(good, bad)).toBeGreaterThan(5);
  });

  it('writes the files in golden/safetensors again, byte by byte', SLOW, async () => {
    const out = join(folder, 'again');
    const args = ['--only', 'safetensors_files', '--out', out];
    await runPython(python as string, 'golden/generate.py', ...args);
    const fresh = join(out, 'safetensors');
    expect(readdirSync(fresh)).toEqual(readdirSync(recorded));
    for (const name of readdirSync(fresh)) {
      const [a, b] = [readFileSync(join(fresh, name)), readFileSync(join(recorded, name))];
      expect([name, a.equals(b)]).toEqual([name, true]);
    }
  });
});

/** Files by the reference library with a byte or two of the header changed, sound ones among them. */
function drawMutants(count: number): Uint8Array[] {
  const base = read(join(recorded, 'state-dict.safetensors'));
  const headerEnd = 8 + Number(new DataView(base.buffer).getBigUint64(0, true));
  const byte = fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0, max: 0xff }));
  const change = fc.record({ at: fc.integer({ min: 8, max: headerEnd - 1 }), byte });
  const changes = fc.array(change, { minLength: 1, maxLength: 2 });
  return fc.sample(changes, { numRuns: count, seed }).map((list) => {
    const bytes = base.slice();
    for (const { at, byte } of list) bytes[at] = byte;
    return bytes;
  });
}

describe('a file that is cut or flipped', () => {
  const base = read(join(recorded, 'metadata.safetensors'));

  it('is refused at every length, with the bytes that it has and needs', async () => {
    // Before byte 9 nothing tells what it is going to be.
    for (let length = 1; length < base.length; length++) {
      const error = await readCheckpoint(base.slice(0, length)).catch((e: unknown) => e);
      const expected = length < 9 ? 'unsupported-format' : 'truncated';
      expect(error).toMatchObject({ code: expected });
      if (length >= 9)
        expect((error as Error).message).toMatch(/holds \d+ bytes of .* \d+ are needed/);
    }
  });

  it(`ends in an error of ours or in a sound file`, async () => {
    const flip = fc.record({
      at: fc.integer({ min: 0, max: base.length - 1 }),
      byte: fc.integer({ min: 0, max: 0xff }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 8 }), async (flips) => {
        const bytes = base.slice();
        for (const { at, byte } of flips) bytes[at] = byte;
        try {
          const { value } = await readCheckpoint(bytes);
          const sizes = [...listTensors(value).values()].map(
            (each) => contiguousBytes(each).length,
          );
          // Each byte of the data belongs to one tensor.
          expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThan(base.length);
        } catch (error) {
          if (!isPth2tfjsError(error)) throw error;
        }
      }),
      { seed, numRuns: 2000 },
    );
  });

  it('keeps long names out of its errors', async () => {
    for (const name of readdirSync(recorded).filter((each) => each.startsWith('broken-'))) {
      const error = await readCheckpoint(read(join(recorded, name))).catch((e: unknown) => e);
      expect([name, (error as Error).message.length < 300]).toEqual([name, true]);
    }
  });

  it('takes a header of millions of values for too much', SLOW, async () => {
    const text = `{"a":[${'0,'.repeat(5_000_000)}0]}`;
    const bytes = withHeader(base, () => text);
    await expect(readCheckpoint(bytes)).rejects.toMatchObject({ code: 'limit' });
  });
});
