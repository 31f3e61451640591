import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { NETWORK_KEYS } from '../../src/networks/match.js';
import { BUNDLED, CHECKPOINT } from '../helpers/bundled.js';
import { expectFailure, GOLDEN, pth2tfjs, temporaryFolder } from '../helpers/cli.js';
import { ELEMENTS, orderedDict, pickle, raw, tensor, text } from '../helpers/pickle-writer.js';
import { SLOW } from '../helpers/tiers.js';
import { checkpointZip } from '../helpers/zip-writer.js';

const tmp = temporaryFolder();
const packed = join(GOLDEN, 'googlenet.pth.gz');
const golden = join(GOLDEN, 'googlenet.golden.pth.gz');
const checkpoint = CHECKPOINT;
const bytes = BUNDLED;

describe('a hostile name', () => {
  const evil = '\u001b[31mred\u001b]0;title\u0007\u202e';
  const dict = orderedDict();
  const file = join(tmp, 'evil.pth');
  const network = join(tmp, 'evil-network.pth');

  beforeAll(async () => {
    const two = raw(dict, '(', text(evil), tensor(), text('conv1.conv.weight'), tensor(), 'u');
    writeFileSync(file, checkpointZip(pickle(two), { 0: ELEMENTS }));
    const under = [...NETWORK_KEYS].flatMap((key) => [text(key), tensor()]);
    const nested = raw(dict, '(', text(evil), raw(orderedDict(), '(', ...under, 'u'), 'u');
    writeFileSync(network, checkpointZip(pickle(nested), { 0: ELEMENTS }));
  });

  test('reaches neither stderr nor stdout as it is', async () => {
    const runs = await Promise.all([
      pth2tfjs('convert', file, join(tmp, 'evil')),
      pth2tfjs('convert', network, join(tmp, 'evil')),
      pth2tfjs('inspect', file),
      pth2tfjs('inspect', network),
    ]);
    const output = runs.map(({ stdout, stderr }) => stdout + stderr).join('');
    expect(output).toMatch(/\\x1b\[31mred\\x1b\]0;title\\x07\\u\{202e\}/);
    expect(output).not.toMatch(/[^\P{C}\n]/u);
  });
});

describe('verify', () => {
  test('converts a checkpoint in memory, at the size of the golden images', SLOW, async () => {
    const run = await pth2tfjs(
      'verify',
      packed,
      '--golden',
      join(GOLDEN, 'googlenet.231.golden.pth.gz'),
      '--backend',
      'cpu',
      '--no-transform-input',
      '--json',
    );
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(JSON.parse(run.stdout)).toMatchObject({
      passed: true,
      results: [{ backend: { name: 'cpu', hardware: 'cpu' }, comparison: { passed: true } }],
    });
  });

  test('applies transform_input as PyTorch does', SLOW, async () => {
    const transformed = join(GOLDEN, 'googlenet.transform_input.golden.pth.gz');
    const on = await pth2tfjs('verify', packed, '--golden', transformed, '--transform-input');
    expect(on).toMatchObject({ status: 0, stderr: '' });
    const off = await pth2tfjs('verify', packed, '--golden', transformed, '--no-transform-input');
    expect(off.status).toBe(1);
    expect(off.stdout).toMatch(/FAIL: parity fails on wasm/);
    expect(off.stderr).toMatch(
      /^pth2tfjs: parity fails on wasm: .*; likely cause: transform_input was on in PyTorch\n$/m,
    );
    expect(off.stdout).toMatch(/\. Convert again with --transform-input\./);
  });

  test('needs the tolerance that it says it needs', SLOW, async () => {
    const strict = await pth2tfjs(
      'verify',
      checkpoint,
      '--golden',
      golden,
      '--json',
      '--tolerance',
      '0',
      '--no-transform-input',
    );
    expect(strict.status).toBe(1);
    const { results, diagnosis } = JSON.parse(strict.stdout);
    expect(diagnosis.cause.id).toBe('tolerance-too-tight');
    const just = await pth2tfjs(
      'verify',
      checkpoint,
      '--golden',
      golden,
      '--tolerance',
      String(results[0].comparison.required.rtol),
      '--no-transform-input',
    );
    expect(just.status).toBe(0);
  });

  test('tells a folder or a golden file that do not fit', SLOW, async () => {
    const out = join(tmp, 'fits');
    await pth2tfjs('convert', checkpoint, out, '--quiet');
    expectFailure(
      await pth2tfjs('verify', tmp, '--golden', golden),
      2,
      /model\.json.*pth2tfjs convert/,
    );
    expectFailure(
      await pth2tfjs('verify', out, '--golden', join(GOLDEN, 'googlenet.231.golden.pth.gz')),
      2,
      /231x231.*--image-size 231/,
    );
    expectFailure(
      await pth2tfjs('verify', out, '--golden', packed),
      2,
      /no tensor 'input'.*torch\.save/,
    );
    expectFailure(await pth2tfjs('verify', out, '--golden', golden, '--key', 'model'), 2, /--key/);
    writeFileSync(join(out, 'group1-shard2of7.bin'), 'short');
    expectFailure(await pth2tfjs('verify', out, '--golden', golden), 2, /bytes of weights/);
  });
});

describe('inspect', () => {
  test('shows the container, the tensors and the network', async () => {
    const { stdout, stderr, status } = await pth2tfjs('inspect', packed);
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    expect(stdout).toMatch(/zip version 3, pickle protocol 2, little-endian, 52,\d{3},\d{3} bytes/);
    expect(stdout).toMatch(/^inception3a\.branch3\.1\.conv\.weight +float32 +\[32, 16, 3, 3\]$/m);
    expect(stdout).toMatch(/6,624,904 parameters, and 6,379,984 in auxiliary heads/);
    expect(stdout).toMatch(/^ {2}\(conv1\): BasicConv2d\( {2}# 9,536$/m);
  });

  test('prints the same as JSON', SLOW, async () => {
    const { stdout } = await pth2tfjs('inspect', packed, '--json');
    const { container, tensors, networks } = JSON.parse(stdout);
    expect(container).toMatchObject({ format: 'zip', gzip: true, byteLength: bytes.length });
    expect(tensors).toHaveLength(364);
    expect(networks).toMatchObject([
      {
        stateDict: { name: '.', prefix: '' },
        fits: true,
        parameters: { main: 6_624_904, aux: 6_379_984 },
      },
    ]);
  });
});
