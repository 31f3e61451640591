/** The files that real PyTorch versions wrote, damaged at random. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { drawSeed } from '../helpers/seed.js';
import { SLOW } from '../helpers/tiers.js';
import { concatenate, storedEntries, writeZip } from '../helpers/zip-writer.js';
import { type Outcome, survey } from './survey.js';

fc.configureGlobal({ seed: drawSeed('fuzz-files.test.ts') });

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAX_FILE_BYTES = 8192;

interface Sample {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The small files that real PyTorch versions wrote. */
const SAMPLES: readonly Sample[] = ['torch-1.13', 'torch-2.13'].flatMap((writer) => {
  const folder = join(ROOT, 'golden', writer);
  return readdirSync(folder)
    .map((name) => ({
      name: `${writer}/${name}`,
      bytes: new Uint8Array(readFileSync(join(folder, name))),
    }))
    .filter(({ bytes }) => bytes.length < MAX_FILE_BYTES);
});
const startsWith = (...head: number[]) => {
  return ({ bytes }: Sample) => head.every((byte, i) => bytes[i] === byte);
};
const ZIPS = SAMPLES.filter(startsWith(0x50, 0x4b));
/** Files whose every byte that matters is under a checksum. */
const GUARDED = [...ZIPS, ...SAMPLES.filter(startsWith(0x1f, 0x8b))];
const LEGACY = SAMPLES.filter((sample) => !GUARDED.includes(sample));

type Mutation = (bytes: Uint8Array, other: Uint8Array) => Uint8Array;

const position = fc.nat({ max: 2 ** 30 });
const within = (at: number, bytes: Uint8Array) => (bytes.length === 0 ? 0 : at % bytes.length);

const flips: fc.Arbitrary<Mutation> = fc
  .array(fc.tuple(position, fc.nat(7)), { minLength: 1, maxLength: 8 })
  .map((spots) => (bytes) => {
    const out = bytes.slice();
    for (const [at, bit] of spots) out[within(at, out)] = (out[within(at, out)] ?? 0) ^ (1 << bit);
    return out;
  });

const truncation: fc.Arbitrary<Mutation> = position.map(
  (at) => (bytes) => bytes.slice(0, within(at, bytes)),
);

const splice: fc.Arbitrary<Mutation> = fc
  .tuple(position, position, fc.boolean())
  .map(([cut, from, aligned]) => (bytes, other) => {
    const at = within(cut, bytes);
    return concatenate(bytes.slice(0, at), other.slice(aligned ? at : within(from, other)));
  });

const block: fc.Arbitrary<Mutation> = fc
  .tuple(position, fc.integer({ min: 1, max: 300 }), fc.boolean())
  .map(([cut, length, twice]) => (bytes) => {
    const at = within(cut, bytes);
    return concatenate(
      bytes.slice(0, at + (twice ? length : 0)),
      bytes.slice(twice ? at : at + length),
    );
  });

const EXTREMES = [0n, 1n, 0x7fn, 0xffn, 0xffffn, 0x7fffffffn, 0x80000000n, 0xffffffffn].concat([
  2n ** 32n,
  2n ** 40n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
]);

const extreme: fc.Arbitrary<Mutation> = fc
  .tuple(position, fc.constantFrom(...EXTREMES), fc.constantFrom(1, 2, 4, 8))
  .map(([cut, value, width]) => (bytes) => {
    const out = bytes.slice();
    const at = within(cut, out);
    for (let i = 0; i < width && at + i < out.length; i++) {
      out[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
    }
    return out;
  });

const MUTATIONS = { truncation, flips, splice, block, extreme };
type MutationName = keyof typeof MUTATIONS;
const NAMES = Object.keys(MUTATIONS) as MutationName[];

/** Runs the property on mutations of random samples; fast-check prints seed and path when it fails. */
async function checkMutations(
  samples: readonly Sample[],
  mutation: fc.Arbitrary<Mutation>,
  numRuns: number,
  check: (mutate: Mutation, sample: Sample, other: Sample) => Promise<void>,
): Promise<void> {
  expect(samples.length).toBeGreaterThan(0);
  const sample = fc.constantFrom(...samples);
  await fc.assert(fc.asyncProperty(mutation, sample, sample, check), { numRuns });
}

describe('damaged files with checksums are refused, or still read the same', () => {
  const known = new Map<Sample, Promise<Outcome>>();
  const original = (sample: Sample) => {
    const outcome = known.get(sample) ?? survey(sample.bytes);
    known.set(sample, outcome);
    return outcome;
  };

  test.each(NAMES)('%s', async (name) => {
    await checkMutations(GUARDED, MUTATIONS[name], 1500, async (mutate, sample, other) => {
      const outcome = await survey(mutate(sample.bytes, other.bytes));
      if ('code' in outcome) return;
      expect([await original(sample), await original(other)]).toContainEqual(outcome);
    });
  });

  const FLIPPED = ['state-dict.pth', 'zip-big-endian.pth', 'dtype-uint16.pth'].map((file) => {
    return SAMPLES.find(({ name }) => name === `torch-2.13/${file}`) as Sample;
  });

  test.each(FLIPPED)('every byte of every entry of $name', async ({ bytes }) => {
    for (const { data } of storedEntries(bytes)) {
      const start = data.byteOffset - bytes.byteOffset;
      for (let at = start; at < start + data.length; at++) {
        const mutant = bytes.slice();
        mutant[at] = (mutant[at] as number) ^ (1 << (at % 8));
        expect(await survey(mutant), `byte ${at}`).toHaveProperty('code');
      }
    }
  });
});

describe('damaged legacy files end in a tagged error or in tensors', () => {
  test.each(NAMES)('%s', async (name) => {
    await checkMutations(LEGACY, MUTATIONS[name], 4000, async (mutate, sample, other) => {
      await survey(mutate(sample.bytes, other.bytes));
    });
  });
});

describe('damaged pickles under a right checksum end in a tagged error or in tensors', SLOW, () => {
  const stored = ZIPS.filter(({ name }) => !name.includes('deflated'));

  test.each(NAMES)('%s', async (name) => {
    await checkMutations(stored, MUTATIONS[name], 1500, async (mutate, sample, other) => {
      const pickleOf = ({ bytes }: Sample) =>
        storedEntries(bytes).find((entry) => entry.name.endsWith('/data.pkl'))?.data as Uint8Array;
      const mutant = mutate(pickleOf(sample), pickleOf(other));
      const entries = storedEntries(sample.bytes).map((entry) =>
        entry.name.endsWith('/data.pkl') ? { ...entry, data: mutant } : entry,
      );
      await survey(writeZip(entries));
    });
  });
});
