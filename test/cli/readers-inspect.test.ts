/** What commands read from stdin, and all that `inspect` reads. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { saveSafetensors } from '../../src/checkpoint/index.js';
import { inspectCheckpoint } from '../../src/inspect.js';
import { CHECKPOINT } from '../helpers/bundled.js';
import { expectFailure, GOLDEN, pth2tfjs, type Run } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';
import { folder, golden, model, packed, photo, SHA256, training } from './readers.js';

/** Runs the command line with a file on its stdin. */
function piped(input: string, ...args: string[]): Promise<Run> {
  const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, GITHUB_ACTIONS: 'false' },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(readFileSync(input));
  return new Promise((resolve) => {
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}

describe('stdin', () => {
  test('inspect -, of a checkpoint', async () => {
    const { status, stdout, stderr } = await piped(packed, 'inspect', '-', '--no-transform-input');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^stdin: zip version 3, .*, 52,200,553 bytes \(gunzipped\)\n/);
    expect(stdout).toMatch(/^transform_input: off$/m);
    expect(stdout).toMatch(/^364 tensors$/m);
  });

  test('convert -', SLOW, async () => {
    const out = join(folder, 'from-stdin');
    const run = await piped(packed, 'convert', '-', out, '--no-transform-input');
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/^checkpoint +stdin, 52\.2 MB unpacked, SHA-256 6ca9c655/);
  });

  test('verify -, and --golden -', SLOW, async () => {
    const whole = await piped(
      CHECKPOINT,
      'verify',
      '-',
      '--golden',
      golden,
      '--no-transform-input',
    );
    expect(whole).toMatchObject({ status: 0, stderr: '' });
    expect(whole.stdout).toMatch(/^model +stdin, from stdin, /);
    for (const given of [['--golden', '-'], ['--golden=-']]) {
      const run = await piped(golden, 'verify', model, ...given);
      expect(run).toMatchObject({ status: 0, stderr: '' });
      expect(run.stdout).toMatch(/^golden +stdin, /m);
    }
  });

  test('classify -', SLOW, async () => {
    const run = await piped(
      CHECKPOINT,
      'classify',
      '-',
      photo,
      '--image-size',
      '64',
      '--no-transform-input',
      '--top',
      '1',
    );
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/class 352\n$/);
  });

  test('is one input, and no output', async () => {
    expectFailure(
      await piped(golden, 'verify', '-', '--golden', '-'),
      2,
      /read only once.*- is given twice/,
    );
    expectFailure(await piped(golden, 'convert', packed, '-'), 2, /- is no folder to write to/);
    expectFailure(await piped(golden, 'export', model, '-'), 2, /- is no file to write to/);
    expect(existsSync('stdin:')).toBe(false);
  });

  test('of a model.json alone says what is missing', async () => {
    const run = await piped(join(model, 'model.json'), 'inspect', '-');
    expectFailure(run, 2, /a model\.json on stdin has no weight files beside it; pass its path/);
  });
});

describe('inspect', () => {
  test('of a training checkpoint, whole and by key', async () => {
    const bytes = readFileSync(training);
    const keys = async (key?: string) =>
      (await inspectCheckpoint(bytes, { key })).tensors.map((each) => each.key);
    const all = await keys();
    const inModel = all.filter((key) => key.startsWith('state_dict.'));
    expect(inModel.length).toBeGreaterThan(0);
    expect(inModel.length).toBeLessThan(all.length);
    expect(await keys('state_dict')).toEqual(inModel);
    expect(await keys('.')).toEqual(all);
    await expect(keys('nowhere')).rejects.toMatchObject({ code: 'no-state-dict' });
    const run = await pth2tfjs('inspect', training, '--key', 'state_dict');
    expect(run.stdout).toMatch(new RegExp(`^${inModel.length} tensors$`, 'm'));
  });

  test('tells transform_input: as asked, as noted, or that nothing tells', async () => {
    const told = async (bytes: Uint8Array, transformInput?: boolean) =>
      (await inspectCheckpoint(bytes, { transformInput })).transformInput;
    const bytes = readFileSync(training);
    expect(await told(bytes)).toBeNull();
    expect(await told(bytes, true)).toBe(true);
    const noted = saveSafetensors(new Map(), new Map([['transform_input', 'true']]));
    expect(await told(noted)).toBe(true);
    expect(await told(noted, false)).toBe(false);
  });

  test('of one tensor counts one', async () => {
    const { stdout } = await pth2tfjs('inspect', join(GOLDEN, 'torch-1.13', 'dtype-bool.pth'));
    expect(stdout).toMatch(/^1 tensor\n\. +bool +\[5\]$/m);
  });

  test('of a converted model, by folder and by model.json', async () => {
    const { stdout, stderr, status } = await pth2tfjs('inspect', model);
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    expect(stdout).toMatch(/: layers model of TensorFlow\.js, 8 files, \d+(,\d{3})+ bytes\n/);
    expect(stdout).toMatch(new RegExp(`SHA-256 ${SHA256}\n`));
    expect(stdout).toMatch(/^conv1\/kernel +float32 +\[7, 7, 3, 64\]$/m);
    const json = await pth2tfjs('inspect', join(model, 'model.json'), '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({
      format: 'layers',
      files: 8,
      provenance: { source: { sha256: SHA256 }, transformInput: false },
    });
    expectFailure(await pth2tfjs('inspect', model, '--key', 'x'), 2, /go with a checkpoint/);
  });
});
