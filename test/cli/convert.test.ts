import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BUNDLED, CHECKPOINT } from '../helpers/bundled.js';
import { expectFailure, GOLDEN, pth2tfjs, temporaryFolder } from '../helpers/cli.js';
import { SLOW, slowUnless } from '../helpers/tiers.js';

const tmp = temporaryFolder();
const packed = join(GOLDEN, 'googlenet.pth.gz');
const golden = join(GOLDEN, 'googlenet.golden.pth.gz');
/** Two images of 64 pixels. */
const small = join(GOLDEN, 'googlenet.64.layers.golden.pth.gz');
const checkpoint = CHECKPOINT;
const bytes = BUNDLED;
const sha256 = createHash('sha256').update(bytes).digest('hex');

function filesIn(folder: string): Record<string, string> {
  const digest = (name: string) =>
    createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex');
  return Object.fromEntries(readdirSync(folder).map((name) => [name, digest(name)]));
}

describe('convert', () => {
  test('writes a model whose logits are PyTorch’s, and says what it did', async () => {
    const out = join(tmp, 'converted');
    const sized = ['--image-size', '64'];
    const run = await pth2tfjs('convert', checkpoint, out, '--no-transform-input', ...sized);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/364 tensors/);
    expect(run.stdout).toMatch(/3x3 kernels, as in torchvision/);
    expect(run.stdout).toMatch(/57 num_batches_tracked, 20 of the auxiliary heads/);
    const verified = await pth2tfjs('verify', out, '--golden', small);
    expect(verified).toMatchObject({ status: 0, stderr: '' });
    expect(verified.stdout).toMatch(/PASS: parity holds on wasm: 2 images/);
  });

  test('the same at 224x224', SLOW, async () => {
    const out = join(tmp, 'large');
    await pth2tfjs('convert', checkpoint, out, '--no-transform-input');
    const verified = await pth2tfjs('verify', out, '--golden', golden);
    expect(verified).toMatchObject({ status: 0, stderr: '' });
    expect(verified.stdout).toMatch(/PASS: parity holds on wasm: 4 images/);
  });

  test('prints one JSON object with the provenance that model.json keeps', async () => {
    const out = join(tmp, 'json');
    const run = await pth2tfjs('convert', packed, out, '--json', '--transform-input');
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const summary = JSON.parse(run.stdout);
    expect(summary).toMatchObject({
      source: {
        name: 'googlenet.pth.gz',
        bytes: bytes.length,
        sha256,
        container: 'zip',
        gzip: true,
      },
      transformInput: true,
      numClasses: 1000,
      branch3Kernel: 3,
      tensors: 364,
      warnings: [],
    });
    const { userDefinedMetadata } = JSON.parse(readFileSync(join(out, 'model.json'), 'utf8'));
    expect(summary).toMatchObject(userDefinedMetadata.pth2tfjs);
    expect(userDefinedMetadata.pth2tfjs.ignoredKeys).toHaveLength(77);
  });

  test('gives the same bytes for the same input, in shards of 4 MB', SLOW, async () => {
    const [a, b] = [join(tmp, 'same-a'), join(tmp, 'same-b')];
    await pth2tfjs('convert', checkpoint, a, '--quiet');
    await pth2tfjs('convert', checkpoint, b, '--quiet');
    expect(filesIn(a)).toEqual(filesIn(b));
    const sizes = readdirSync(a)
      .filter((name) => name.endsWith('.bin'))
      .map((name) => readFileSync(join(a, name)).length);
    expect(sizes.filter((size) => size === 4 * 1024 * 1024)).toHaveLength(sizes.length - 1);
  });

  test('warns when it had to guess transform_input, and not when told to be quiet', async () => {
    const loud = await pth2tfjs('convert', checkpoint, join(tmp, 'loud'));
    expect(loud.stderr).toMatch(/^warning: transform_input is taken to be off.*--transform-input/);
    const quiet = await pth2tfjs('convert', checkpoint, join(tmp, 'quiet'), '--quiet');
    expect(quiet).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  test('does not touch a folder with files unless forced, and then replaces it', SLOW, async () => {
    const out = join(tmp, 'occupied');
    mkdirSync(out);
    writeFileSync(join(out, 'mine.txt'), 'mine');
    expectFailure(await pth2tfjs('convert', checkpoint, out), 2, /--force/);
    expect(readdirSync(out)).toEqual(['mine.txt']);
    expect((await pth2tfjs('convert', checkpoint, out, '--force', '--quiet')).status).toBe(0);
    expect(readdirSync(out)).toContain('model.json');
    expect(readdirSync(out)).not.toContain('mine.txt');
  });

  test(
    'refuses to replace the folder that holds the checkpoint, by whatever path',
    SLOW,
    async () => {
      const out = join(tmp, 'holder');
      const inside = join(out, 'weights', 'googlenet.pth');
      mkdirSync(join(out, 'weights'), { recursive: true });
      writeFileSync(inside, bytes);
      const [fileLink, folderLink] = [join(tmp, 'linked.pth'), join(tmp, 'holder-link')];
      symlinkSync(inside, fileLink);
      symlinkSync(out, folderLink);
      for (const [from, to] of [
        [inside, out],
        [fileLink, out],
        [inside, folderLink],
      ] as const) {
        const text = `${from} lies inside ${to}, which --force would replace`;
        expectFailure(await pth2tfjs('convert', from, to, '--force'), 2, text);
      }
      expect(readdirSync(out)).toEqual(['weights']);
      expect(readFileSync(inside).equals(bytes)).toBe(true);
      const beside = join(tmp, 'holder-of-none');
      expect((await pth2tfjs('convert', inside, beside, '--force', '--quiet')).status).toBe(0);
    },
  );

  test('checks the hash that torch hub puts into a name', SLOW, async () => {
    const right = join(tmp, `googlenet-${sha256.slice(0, 8)}.pth`);
    const wrong = join(tmp, 'googlenet-1378be20.pth');
    const dated = join(tmp, 'googlenet-20240115.pth');
    for (const path of [right, wrong, dated]) writeFileSync(path, bytes);
    const out = join(tmp, 'hashed');
    expectFailure(
      await pth2tfjs('convert', wrong, out),
      2,
      /starts with 1378be20.*--no-check-hash/,
    );
    expect(existsSync(out)).toBe(false);
    const verified = await pth2tfjs('verify', wrong, '--golden', golden, '--no-transform-input');
    expect(verified.stderr).toMatch(/starts with 1378be20/);
    expect(verified.status).toBe(2);
    expect((await pth2tfjs('convert', right, out, '--no-transform-input')).stderr).toBe('');
    const date = await pth2tfjs('convert', dated, out, '--no-transform-input', '--force');
    expect(date.stderr).toMatch(/^warning: the 20240115 .*taken for a date/);
  });

  test('refuses what it cannot read, and leaves nothing behind', SLOW, async () => {
    const out = join(tmp, 'refused');
    const cut = join(tmp, 'cut.pth');
    writeFileSync(cut, bytes.subarray(0, 30_000_000));
    const page = join(tmp, 'page.pth');
    writeFileSync(page, '<!DOCTYPE html><title>404</title>');
    expectFailure(await pth2tfjs('convert', cut, out), 2, /cut\.pth: .*download the file again/);
    expectFailure(await pth2tfjs('convert', page, out), 2, /page\.pth: .*HTML page/);
    expectFailure(await pth2tfjs('convert', join(tmp, 'none.pth'), out), 2, /none\.pth/);
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(tmp).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('refuses another network with the three lists, and exits with 1', async () => {
    const other = join(GOLDEN, 'torch-1.13', 'prefix-module.pth');
    const out = join(tmp, 'other');
    expectFailure(
      await pth2tfjs('convert', other, out),
      1,
      /\d+ missing \(conv1\.conv\.weight, .*\d+ unexpected/,
    );
    const json = await pth2tfjs('convert', other, out, '--json=true');
    expect(JSON.parse(json.stdout).error.missing.length).toBeGreaterThan(200);
    expect(existsSync(out)).toBe(false);
  });

  const CALLS: readonly (readonly [string[], RegExp])[] = [
    [[], /a command is missing: convert, verify, classify, export, inspect/],
    [
      ['frobnicate'],
      /unknown command: frobnicate; there are convert, verify, classify, export, inspect/,
    ],
    [['convert'], /convert needs <checkpoint> and <out>; see pth2tfjs convert --help/],
    [['convert', packed, join(tmp, 'none'), '--key'], /[Nn]ot enough arguments following: key/],
    [
      ['convert', packed, join(tmp, 'none'), '--transform-inpt'],
      /unknown argument: transform-inpt;/,
    ],
    [['convert', packed, join(tmp, 'huge'), '--image-size', '100000'], /from 15 to 4096/],
    [['convert', packed, join(tmp, 'tiny'), '--image-size', '20.5'], /whole number/],
    [['verify', packed], /golden/],
    [['verify', packed, '--golden', golden, '--backend', 'abacus'], /abacus/],
    // The same of others.
    [['verify', '--golden', golden], /verify needs <model>/],
    [['verify', packed, '--golden'], /[Nn]ot enough arguments following: golden/],
    [['convert', 'a.pth', 'b', '--bogus'], /bogus/],
    [['convert', packed, join(tmp, 'tiny'), '--image-size', '14'], /from 15/],
    [
      ['verify', packed, '--golden', golden, '--tolerance', 'loose'],
      /--rtol takes a number of at least 0/,
    ],
  ];
  for (const [i, [args, text]] of CALLS.entries()) {
    test(
      `says what is wrong with the call ${JSON.stringify(args)}`,
      slowUnless(i < 9),
      async () => {
        expectFailure(await pth2tfjs(...args), 2, text);
      },
    );
  }
});

describe('convert from a URL', () => {
  let server: Server;
  let base: string;

  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url === '/short.pth') {
        response.writeHead(200, { 'content-length': String(bytes.length) });
        response.write(bytes.subarray(0, 1_000_000), () => response.destroy());
      } else if (request.url === '/googlenet.pth') {
        response.writeHead(200, { 'content-length': String(bytes.length) }).end(bytes);
      } else {
        response.writeHead(404).end('no such file');
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(() => {
    server.close();
  });

  test('gives the same model as the file', SLOW, async () => {
    const [fromUrl, fromFile] = [join(tmp, 'url'), join(tmp, 'file')];
    await pth2tfjs('convert', checkpoint, fromFile, '--quiet');
    const run = await pth2tfjs('convert', `${base}/googlenet.pth`, fromUrl, '--quiet');
    expect(run).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(filesIn(fromUrl)).toEqual(filesIn(fromFile));
  });

  test('reports a download that breaks off, and a missing file', SLOW, async () => {
    const out = join(tmp, 'broken');
    expectFailure(
      await pth2tfjs('convert', `${base}/short.pth`, out),
      2,
      new RegExp(`only \\d+ of ${bytes.length} bytes`),
    );
    expectFailure(await pth2tfjs('convert', `${base}/none.pth`, out), 2, /404/);
    expect(existsSync(out)).toBe(false);
  });
});
