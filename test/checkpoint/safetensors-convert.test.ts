/** safetensors as every command takes it, and as `convert` writes it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { listTensors, readCheckpoint, saveSafetensors } from '../../src/checkpoint/index.js';
import {
  convertCheckpoint,
  convertToSafetensors,
  loadGoogLeNet,
  type NamedBytes,
} from '../../src/index.js';
import { bundledStateDict, convertBundled } from '../helpers/bundled.js';
import { expectFailure, GOLDEN, pth2tfjs } from '../helpers/cli.js';
import { recordsOf, sha256 } from '../helpers/digest.js';
import { SLOW } from '../helpers/tiers.js';
import {
  checkpoint,
  expectSameFiles,
  flat,
  folder,
  golden,
  original,
  read,
  recorded,
  tensorsOf,
  withHeader,
} from './safetensors-files.js';

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
