import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { GOLDEN, temporaryFolder } from '../helpers/cli.js';
import { sha256 } from '../helpers/digest.js';
import { SLOW } from '../helpers/tiers.js';
import { installPackage, registryAnswers } from './installed.js';

/*
 * The packed package on other runtimes than this Node, each of which must give the same: its own tests
 * compare what this Node gives with PyTorch.
 */

const { PTH2TFJS_RUNTIMES: folder } = process.env;
if (!folder) {
  console.warn(
    'SKIPPED: other runtimes, PTH2TFJS_RUNTIMES names no folder that holds them (.ci/runtimes.sh makes one)',
  );
}

const RUNTIMES: Readonly<Record<string, readonly string[]>> = {
  node22: [],
  node24: [],
  node26: [],
  bun: [],
  deno: ['run', '--allow-all'],
};

const project = temporaryFolder();
const main = join(project, 'node_modules/pth2tfjs/dist/cli/main.js');

/** What a runtime makes of a command: its output, or the failure's, with the exit code. */
async function run(runtime: string | null, ...args: string[]) {
  const program = runtime === null ? process.execPath : join(folder as string, 'bin', runtime);
  const before = runtime === null ? [] : (RUNTIMES[runtime] ?? []);
  try {
    const options = { cwd: project, env: { ...process.env, GITHUB_ACTIONS: 'false' } };
    const { stdout } = await promisify(execFile)(program, [...before, main, ...args], options);
    return { status: 0, text: stdout };
  } catch (error) {
    const { code, stderr } = error as { readonly code: number; readonly stderr: string };
    return { status: code, text: stderr };
  }
}

const convert = (runtime: string | null, to: string) =>
  run(runtime, 'convert', join(GOLDEN, 'googlenet.pth.gz'), to, '--no-transform-input', '--quiet');

const filesOf = (model: string) =>
  readdirSync(join(project, model)).map((name) => [
    name,
    sha256(readFileSync(join(project, model, name))),
  ]);

const registry = folder !== undefined && registryAnswers('other runtimes');

describe.skipIf(!registry)('today’s package', SLOW, () => {
  const photo = join(GOLDEN, 'photos/grey.jpg');
  let classes: string;

  beforeAll(async () => {
    installPackage(project);
    await convert(null, 'here');
    classes = (await run(null, 'classify', 'here', photo)).text;
    expect(classes).toMatch(/class \d+/);
  });

  describe.each(Object.keys(RUNTIMES))('on %s', (runtime) => {
    test('converts to the same bytes', async () => {
      expect(await convert(runtime, runtime)).toEqual({ status: 0, text: '' });
      expect(filesOf(runtime)).toEqual(filesOf('here'));
    });

    test('verifies', async () => {
      const golden = join(GOLDEN, 'googlenet.golden.pth.gz');
      const { status, text } = await run(runtime, 'verify', 'here', '--golden', golden);
      expect(text).toMatch(/PASS: parity holds on wasm: 4 images/);
      expect(status).toBe(0);
    });

    test('classifies', async () => {
      expect(await run(runtime, 'classify', 'here', photo)).toEqual({ status: 0, text: classes });
    });

    test('tells what is wrong in one line, and leaves nothing', async () => {
      const missing = await run(runtime, 'convert', 'nothing.pth', 'never');
      expect(missing).toEqual({ status: 2, text: expect.stringMatching(/^pth2tfjs: .*\n$/) });
      expect(missing.text).toContain('nothing.pth');
      expect(existsSync(join(project, 'never'))).toBe(false);
    });
  });
});
