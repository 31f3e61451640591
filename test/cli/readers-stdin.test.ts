/** What docs/cli.md says that every command reads from stdin. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { CHECKPOINT } from '../helpers/bundled.js';
import { expectFailure, type Run } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';
import { folder, golden, model, packed, photo } from './readers.js';

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
    const stderr = expect.stringMatching(/^ran on \w+ \([^\n]+\)\n$/);
    expect(run).toMatchObject({ status: 0, stderr });
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
