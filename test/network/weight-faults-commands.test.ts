/** The commands name such weights, too. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { GOLDEN, pth2tfjs, temporaryFolder } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';
import { damaged, put } from './weight-faults.js';

const VERIFY_GOLDEN = join(GOLDEN, 'googlenet.64.layers.golden.pth.gz');

describe('the commands', () => {
  const folder = temporaryFolder();
  const [file, model, bad] = ['nan.pth', 'model', 'bad.pth'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const photo = join(GOLDEN, 'photos/photo.png');
  const options = ['--no-transform-input', '--image-size', '64'];
  const warned = /^warning: NaN or infinity in conv1\.bn\.running_mean: .*\n$/;

  beforeAll(async () => {
    writeFileSync(file, await damaged(/^conv1\.bn\.running_mean$/, put(3, NaN)));
    const run = await pth2tfjs('convert', file, model, ...options);
    expect(run).toMatchObject({ status: 0, stderr: expect.stringMatching(warned) });
  });

  test('classify warns, of a checkpoint and of a folder, also in JSON', async () => {
    const own = await pth2tfjs('classify', file, photo, '--backend', 'wasm', ...options);
    expect(own).toMatchObject({ status: 0, stderr: expect.stringMatching(warned) });
    const run = await pth2tfjs('classify', model, photo, '--json');
    const named = /NaN or infinity in conv1\/bias/;
    expect(run).toMatchObject({ status: 0, stderr: expect.stringMatching(named) });
    expect(JSON.parse(run.stdout).warnings).toEqual([expect.stringMatching(named)]);
  });

  test('classify gives no class where logits are NaN', SLOW, async () => {
    writeFileSync(bad, await damaged(/^fc\.bias$/, put(3, NaN)));
    const run = await pth2tfjs('classify', bad, photo, ...options);
    expect(run).toMatchObject({ status: 2, stdout: '' });
    expect(run.stderr).toMatch(
      /^warning: NaN or infinity in fc\.bias.*\npth2tfjs: 1 of 1000 logits/,
    );
  });

  test('verify and safetensors warn', SLOW, async () => {
    const verified = await pth2tfjs(
      'verify',
      file,
      '--golden',
      VERIFY_GOLDEN,
      '--no-transform-input',
      '--allow-other-checkpoint',
    );
    expect(verified).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/in conv1\.bn\.run/),
    });
    expect(verified.stdout).toMatch(
      /Likely cause: the model's conv1\/bias holds values .* The checkpoint itself/,
    );
    const written = await pth2tfjs('convert', file, join(folder, 'nan.safetensors'));
    expect(written).toMatchObject({ status: 0, stderr: expect.stringMatching(warned) });
  });

  test('convert --trainable and export warn', SLOW, async () => {
    const net = join(folder, 'net');
    const run = await pth2tfjs('convert', file, net, '--trainable', ...options);
    expect(run).toMatchObject({ status: 0, stderr: expect.stringMatching(warned) });
    const back = await pth2tfjs('export', net, join(folder, 'back.pth'));
    expect(back).toMatchObject({ status: 0, stderr: expect.stringMatching(warned) });
    expect(readFileSync(join(folder, 'back.pth')).length).toBeGreaterThan(1e6);
  });
});
