/**
 * safetensors, in and out: against the reference library where Python has it, and against the files that
 * it wrote into golden/safetensors, which golden.test.ts reads as well.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, describe, expect, it, test } from 'vitest';
import {
  listTensors,
  readCheckpoint,
  type StateDict,
  saveSafetensors,
} from '../../src/checkpoint/index.js';
import { contiguousBytes } from '../../src/checkpoint/tensor/tensor.js';
import {
  convertCheckpoint,
  convertToSafetensors,
  isPth2tfjsError,
  loadGoogLeNet,
  type NamedBytes,
  type Pth2tfjsError,
  readGolden,
} from '../../src/index.js';
import { BUNDLED, bundledStateDict, convertBundled } from '../helpers/bundled.js';
import { expectFailure, GOLDEN, pth2tfjs, temporaryFolder } from '../helpers/cli.js';
import { recordsOf, sha256 } from '../helpers/digest.js';
import { findSafetensors, runPython } from '../helpers/python.js';
import { drawSeed } from '../helpers/seed.js';
import { SLOW } from '../helpers/tiers.js';

const python = await findSafetensors('safetensors against the reference library');
const seed = drawSeed('safetensors.test.ts');
const folder = temporaryFolder();
const recorded = join(GOLDEN, 'safetensors');
const checkpoint = join(GOLDEN, 'googlenet.pth.gz');
const golden = (name: string) => join(GOLDEN, `googlenet.${name}golden.pth.gz`);
const flat = join(folder, 'googlenet.safetensors');
const original = BUNDLED;

const SCRIPT = 'test/checkpoint/safetensors.py';
const read = (path: string) => new Uint8Array(readFileSync(path));
const tensorsOf = async (bytes: Uint8Array) => (await readCheckpoint(bytes)).value as StateDict;

function expectSameFiles(a: string, b: string): void {
  expect(sha256(read(a))).toBe(sha256(read(b)));
}

/** Header and data of a file taken apart, and put together again with another header. */
function withHeader(file: Uint8Array, edit: (header: string) => string): Uint8Array {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const text = new TextDecoder().decode(file.subarray(8, 8 + length));
  const header = new TextEncoder().encode(edit(text));
  const size = new Uint8Array(BigUint64Array.of(BigInt(header.length)).buffer);
  return Buffer.concat([size, header, file.subarray(8 + length)]);
}

beforeAll(async () => {
  const run = await pth2tfjs('convert', checkpoint, flat);
  expect(run).toMatchObject({ status: 0, stderr: '' });
  expect(run.stdout).toMatch(/^container +zip version 3, pickle protocol 2, little-endian$/m);
  expect(run.stdout).toMatch(/^transform_input +unknown, for a state dict does not record it;/m);
  expect(run.stdout).toMatch(/^written +.*googlenet\.safetensors: 364 tensors, 52\.1 MB, in/m);
});

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

describe('as input wherever a .pth is', () => {
  const plain = { imageSize: 64, transformInput: false };
  const shards = (files: readonly NamedBytes[]) => files.slice(1).map(({ bytes }) => sha256(bytes));

  test.each([
    ['itself', read],
    ['gzipped', (path: string) => new Uint8Array(gzipSync(readFileSync(path)))],
  ])('convert gives the same weights: %s', SLOW, async (_, open) => {
    const { files, provenance, tensors } = await convertCheckpoint(open(flat), plain);
    const fromPickle = await convertBundled(plain);
    expect(shards(files)).toEqual(shards(fromPickle.files));
    expect(tensors).toBe(364);
    const { name, ...facts } = { ...provenance.source };
    expect(facts).toEqual({
      bytes: statSync(flat).size,
      sha256: sha256(read(flat)),
      origin: { name: 'googlenet.pth.gz', sha256: sha256(original) },
      container: 'safetensors',
      containerVersion: null,
      pickleProtocol: null,
      byteOrder: 'little',
      gzip: open !== read,
    });
    expect(name).toBeNull();
  });

  test(
    'verify passes with the golden file of the checkpoint that it was made of, and no other',
    SLOW,
    async () => {
      const run = await pth2tfjs('verify', flat, '--golden', golden(''), '--no-transform-input');
      expect(run).toMatchObject({ status: 0, stderr: '' });
      expect(run.stdout).toMatch(/PASS: parity holds on wasm: 4 images/);
      const other = join(folder, 'other.safetensors');
      const digest = sha256(original);
      const edit = (header: string) => header.replace(digest, digest.replace(/^./, 'x'));
      writeFileSync(other, withHeader(read(flat), edit));
      const refused = await pth2tfjs(
        'verify',
        other,
        '--golden',
        golden(''),
        '--no-transform-input',
      );
      expectFailure(refused, 2, /made from another checkpoint/);
    },
  );

  test('convert and inspect say what it is', async () => {
    const out = join(folder, 'model');
    const run = await pth2tfjs('convert', flat, out, '--no-transform-input');
    expect(run.stdout).toMatch(/^container +safetensors, little-endian$/m);
    const { stdout } = await pth2tfjs('inspect', flat);
    const size = statSync(flat).size.toLocaleString('en-US');
    expect(stdout).toContain(`${flat}: safetensors, little-endian, ${size} bytes\nformat: pt\n`);
    expect(stdout).toMatch(/^checkpoint: googlenet\.pth\.gz$/m);
    expect(stdout).toMatch(/^364 tensors$/m);
    expect(stdout).toMatch(/6,624,904 parameters/);
    const { container, metadata } = JSON.parse((await pth2tfjs('inspect', flat, '--json')).stdout);
    expect(container).toMatchObject({ format: 'safetensors', version: null, pickleProtocol: null });
    expect(metadata.format).toBe('pt');
  });

  test(
    'classify and loadGoogLeNet, also where it starts with a brace as JSON does',
    SLOW,
    async () => {
      const photo = join(GOLDEN, 'photos', 'photo.jpg');
      const args = [flat, photo, '--top', '1', '--no-transform-input', '--labels', 'imagenet'];
      // As classify.test.ts has it from torchvision.
      expect((await pth2tfjs('classify', ...args)).stdout).toContain('0.0441  spoonbill (129)');
      const path = join(folder, 'brace.safetensors');
      const pad = (text: string) =>
        text.trimEnd().padEnd((Math.ceil(text.length / 256) << 8) + 0x7b);
      writeFileSync(path, withHeader(read(flat), pad));
      expect(read(path)[0]).toBe(0x7b);
      const model = await loadGoogLeNet(path, { convert: plain });
      expect(model.numClasses).toBe(1000);
      model.dispose();
    },
  );
});

describe('convert', () => {
  test('keeps transform_input, and comes to the same bytes the second time', SLOW, async () => {
    const noted = join(folder, 'noted.safetensors');
    const again = join(folder, 'again.safetensors');
    const run = await pth2tfjs('convert', checkpoint, noted, '--transform-input', '--json');
    expect(JSON.parse(run.stdout)).toMatchObject({
      out: noted,
      format: 'safetensors',
      transformInput: true,
      tensors: 364,
      written: 364,
      leftOut: [],
      bytes: statSync(noted).size,
      metadata: { transform_input: 'true' },
    });
    expect((await pth2tfjs('convert', noted, again, '--quiet')).status).toBe(0);
    expectSameFiles(again, noted);
    // No flag is needed, and none warns.
    const verified = await pth2tfjs('verify', again, '--golden', golden('transform_input.'));
    expect(verified).toMatchObject({ status: 0, stderr: '' });
    const { provenance } = await convertCheckpoint(read(again), { transformInput: false });
    expect(provenance.transformInput).toBe(false);
  });

  test('takes the prefix off, and leaves out what torchvision does not have', SLOW, async () => {
    const counter = await tensorsOf(read(join(recorded, 'state-dict.safetensors')));
    const wrapped = new Map([
      ['n_averaged', counter.get('1.num_batches_tracked') as never],
      ...[...(await bundledStateDict())].map(([key, tensor]) => [`module.${key}`, tensor] as const),
    ]);
    const { bytes, stateDict, leftOut, written } = await convertToSafetensors(
      saveSafetensors(wrapped),
    );
    expect([stateDict.prefix, leftOut, written]).toEqual(['module.', ['n_averaged'], 364]);
    expect(recordsOf(await tensorsOf(bytes))).toEqual(recordsOf(await bundledStateDict()));
  });

  test('writes a folder unless the name ends in .safetensors', SLOW, async () => {
    const out = join(folder, 'deep', 'folder');
    const run = await pth2tfjs('convert', checkpoint, out, '--format', 'safetensors', '--quiet');
    expect(run).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(readdirSync(out)).toEqual(['model.safetensors']);
    expectSameFiles(join(out, 'model.safetensors'), flat);
  });

  test.each([
    [['--quantize', 'uint8'], /--quantize goes with a model, not with safetensors/],
    [['--image-size', '64'], /--image-size goes with a model/],
    [['--input', 'normalized'], /--input goes with a model/],
    [['--labels', 'imagenet'], /--labels goes with a model/],
    [['--golden', 'none.pth'], /no such file: none\.pth/],
  ])('%j is an error', async (args, message) => {
    const out = join(folder, 'unwritten.safetensors');
    expectFailure(await pth2tfjs('convert', checkpoint, out, ...args), 2, message);
    expect(existsSync(out)).toBe(false);
  });

  test('a type that safetensors lacks is named', async () => {
    const quantized = read(join(GOLDEN, 'torch-2.13', 'quantized-qint8.pth'));
    const [tensor] = listTensors((await readCheckpoint(quantized)).value).values();
    const write = () => saveSafetensors(new Map([['conv1.conv.weight', tensor as never]]));
    expect(write).toThrow('conv1.conv.weight is qint8, which safetensors lacks');
  });

  test('names that the format cannot hold are refused', async () => {
    const [tensor] = (await bundledStateDict()).values();
    for (const name of ['__metadata__', '\ud800']) {
      const write = () => saveSafetensors(new Map([[name, tensor as never]]));
      expect(write).toThrow(/^cannot save the key/);
    }
  });

  test(
    'replaces a file only when forced, and leaves nothing behind when it fails',
    SLOW,
    async () => {
      const place = join(folder, 'place');
      const out = join(place, 'x.safetensors');
      mkdirSync(join(place, 'folder.safetensors'), { recursive: true });
      writeFileSync(out, 'precious');
      const convert = (...args: string[]) => pth2tfjs('convert', ...args, '--quiet');
      expectFailure(await convert(checkpoint, out), 2, /is there already; choose .* --force/);
      expectFailure(
        await convert(checkpoint, join(place, 'folder.safetensors')),
        2,
        /is a folder, not a file/,
      );
      const broken = join(recorded, 'broken-cut-data.safetensors');
      expectFailure(await convert(broken, out, '--force'), 2, /holds 1 bytes of data, where 2 are/);
      expect(readFileSync(out, 'utf8')).toBe('precious');
      expect((await convert(checkpoint, out, '--force')).status).toBe(0);
      expectSameFiles(out, flat);
      expectFailure(await convert(broken, join(place, 'y.safetensors')), 2, /bytes of data/);
      expectFailure(await convert(checkpoint, join(place, 'none', 'z.safetensors')), 2, /ENOENT/);
      expect(readdirSync(place).sort()).toEqual(['folder.safetensors', 'x.safetensors']);
    },
  );
});
