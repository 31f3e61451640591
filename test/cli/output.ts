/** A folder to write into, and what the tests of that look at. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import type { OutputFile } from '../../cli/output.js';
import { Pth2tfjsError } from '../../src/base/errors.js';

export const FORCE = { force: true };
export const NO_FORCE = { force: false };
export const FILES: readonly OutputFile[] = [
  'model.json',
  'group1-shard1of1.bin',
  'classes.txt',
].map((name) => ({ name, bytes: Buffer.from(`content of ${name}`) }));
export const WRITTEN = Object.fromEntries(FILES.map(({ name }) => [name, `content of ${name}`]));

export let folder: string;
export let target: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pth2tfjs-output-'));
  target = join(folder, 'out');
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Every file below `path` with its text, folders with null, hidden ones included. */
export function tree(path: string): Record<string, string | null> {
  const entries = readdirSync(path, { withFileTypes: true, recursive: true });
  return Object.fromEntries(
    entries.map((entry) => {
      const full = join(entry.parentPath, entry.name);
      return [full.slice(path.length + 1), entry.isFile() ? readFileSync(full, 'utf8') : null];
    }),
  );
}

export function makeFolder(path: string, files: Record<string, string> = {}): void {
  mkdirSync(path, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
}

export async function failureOf(promise: Promise<void>): Promise<Pth2tfjsError> {
  const error: unknown = await promise.then(
    () => expect.fail('succeeded'),
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(Pth2tfjsError);
  return error as Pth2tfjsError;
}
