import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect } from 'vitest';

export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
export const GOLDEN = fileURLToPath(new URL('../../golden/', import.meta.url));

/** So that the tests see the same output where they run in GitHub Actions themselves. */
const QUIET = { GITHUB_ACTIONS: 'false' };

/** What a command tells a log where its machine is slow, such as `wasm: image 2 of 4 (25 %)`. */
const PROGRESS = /^[\w-]+: .* \(\d+ %\)\n/gm;

export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built command line as a user would, without a terminal; on an idle machine, as it were. */
export function pth2tfjs(...args: string[]): Promise<Run> {
  return pth2tfjsWith({}, ...args);
}

/** The same, with more in the environment. */
export function pth2tfjsWith(
  env: Readonly<Record<string, string>>,
  ...args: string[]
): Promise<Run> {
  return pth2tfjsIn(process.cwd(), env, ...args);
}

/** The same, from a folder where optional packages are looked for. */
export function pth2tfjsIn(
  cwd: string,
  env: Readonly<Record<string, string>>,
  ...args: string[]
): Promise<Run> {
  return new Promise((resolve) => {
    const options = { cwd, maxBuffer: 64 * 2 ** 20, env: { ...process.env, ...QUIET, ...env } };
    const child = execFile(process.execPath, [MAIN, ...args], options, (_, stdout, stderr) => {
      resolve({ status: child.exitCode, stdout, stderr: stderr.replace(PROGRESS, '') });
    });
  });
}

/** A failure as users should meet it: one line on stderr that says what and what next, no stack trace. */
export function expectFailure(run: Run, status: number, text: RegExp | string): void {
  expect(run.stderr).toMatch(text);
  expect(run.stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(run.stderr).toMatch(/^pth2tfjs: /);
  expect(run.stderr).not.toMatch(/\n\s+at |internal error/);
  expect(run.stdout).toBe('');
  expect(run.status).toBe(status);
}

/** A temporary folder for one test file, removed when it is done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pth2tfjs-test-'));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}
