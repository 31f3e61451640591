import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type OutputFile, writeDirectory } from '../../cli/output.js';
import { checkTarget } from '../../cli/target.js';
import {
  FILES,
  FORCE,
  failureOf,
  folder,
  makeFolder,
  NO_FORCE,
  target,
  tree,
  WRITTEN,
} from './output.js';

/** Lets one rename fail that cannot be made to fail from outside. */
const sabotage = vi.hoisted(() => ({ renameTo: '', except: '.old' }));
vi.mock('node:fs', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:fs')>();
  const renameSync = (from: string, to: string) => {
    if (to === sabotage.renameTo && !from.endsWith(sabotage.except)) {
      throw Object.assign(new Error('busy'), { code: 'EBUSY', errno: -16 });
    }
    original.renameSync(from, to);
  };
  return { ...original, renameSync };
});

afterEach(() => {
  sabotage.renameTo = '';
});

/** A file whose bytes are fetched in the middle of the writing, just when `action` runs. */
function trigger(action: () => void): OutputFile {
  return {
    name: 'trigger.bin',
    get bytes() {
      action();
      return new Uint8Array(1);
    },
  };
}

describe('writeDirectory', () => {
  it('writes a new folder', async () => {
    await writeDirectory(target, FILES, NO_FORCE);
    expect(tree(target)).toEqual(WRITTEN);
    expect(readdirSync(folder)).toEqual(['out']);
  });

  it('makes missing parents and accepts a trailing separator', async () => {
    await writeDirectory(`${folder}/a/b/out/`, FILES, NO_FORCE);
    expect(tree(join(folder, 'a/b/out'))).toEqual(WRITTEN);
  });

  it.each([FORCE, NO_FORCE])('replaces an empty folder (%o)', async (options) => {
    makeFolder(target);
    await writeDirectory(target, FILES, options);
    expect(tree(target)).toEqual(WRITTEN);
    expect(readdirSync(folder)).toEqual(['out']);
  });

  it('writes many files, large and empty ones', async () => {
    const files = Array.from({ length: 50 }, (_, index) => ({
      name: `${index}.bin`,
      bytes: Buffer.alloc(index * 40_000, index),
    }));
    await writeDirectory(target, files, NO_FORCE);
    for (const { name, bytes } of files) {
      expect(Buffer.compare(readFileSync(join(target, name)), bytes)).toBe(0);
    }
    expect(readdirSync(target)).toHaveLength(50);
  });

  it('writes only the view of a larger buffer', async () => {
    const bytes = new Uint8Array(Buffer.from('abcdef')).subarray(2, 4);
    await writeDirectory(target, [{ name: 'a', bytes }], NO_FORCE);
    expect(tree(target)).toEqual({ a: 'cd' });
  });

  it('keeps a folder with files unless forced', async () => {
    makeFolder(target, { 'keep.txt': 'mine' });
    const { code, message, hint } = await failureOf(writeDirectory(target, FILES, NO_FORCE));
    expect([code, message]).toEqual(['usage', `${target} is not empty`]);
    expect(hint).toBe('choose another folder or pass --force');
    expect(tree(folder)).toEqual({ out: null, 'out/keep.txt': 'mine' });
  });

  it('replaces a folder wholesale when forced', async () => {
    makeFolder(join(target, 'sub'), { 'old.txt': 'old' });
    writeFileSync(join(target, 'model.json'), 'old');
    await writeDirectory(target, FILES, FORCE);
    expect(tree(target)).toEqual(WRITTEN);
    expect(readdirSync(folder)).toEqual(['out']);
  });

  it('keeps the old folder until the new one is complete', async () => {
    makeFolder(target, { 'model.json': 'old' });
    const seen: unknown[] = [];
    await writeDirectory(target, [...FILES, trigger(() => seen.push(tree(target)))], FORCE);
    expect(seen).toEqual([{ 'model.json': 'old' }]);
    expect(tree(target)).toEqual({ ...WRITTEN, 'trigger.bin': '\0' });
  });

  it('replaces what a link points to, and keeps the link', async () => {
    makeFolder(join(folder, 'real'), { 'old.txt': 'old' });
    symlinkSync('real', target);
    await writeDirectory(target, FILES, FORCE);
    expect(tree(join(folder, 'real'))).toEqual(WRITTEN);
    expect(readdirSync(folder).sort()).toEqual(['out', 'real']);
  });

  it('makes the folder that a dangling link points to', async () => {
    symlinkSync(join(folder, 'elsewhere/real'), target);
    await writeDirectory(target, FILES, NO_FORCE);
    expect(tree(join(folder, 'elsewhere/real'))).toEqual(WRITTEN);
  });

  it.each(['', '.', '..', 'a/b', '../a', '/a', 'a\\b', 'a\0b'])(
    'refuses the file name %j',
    async (name) => {
      const files = [...FILES, { name, bytes: new Uint8Array(1) }];
      const { code, message } = await failureOf(writeDirectory(target, files, NO_FORCE));
      expect([code, message]).toEqual(['usage', `not a plain file name: ${JSON.stringify(name)}`]);
      expect(tree(folder)).toEqual({});
    },
  );

  it('refuses the same name twice', async () => {
    const files = [...FILES, ...FILES];
    const { code, message } = await failureOf(writeDirectory(target, files, NO_FORCE));
    expect([code, message]).toEqual(['usage', 'two files are named model.json']);
  });

  it('does not overwrite what appears in the meantime', async () => {
    const intruder = trigger(() => makeFolder(target, { 'theirs.txt': 'theirs' }));
    const { code } = await failureOf(writeDirectory(target, [...FILES, intruder], NO_FORCE));
    expect(code).toBe('usage');
    expect(tree(folder)).toEqual({ out: null, 'out/theirs.txt': 'theirs' });
  });

  it('lets one of two writers to the same folder win', async () => {
    const write = () => writeDirectory(target, FILES, NO_FORCE);
    const results = await Promise.allSettled([write(), write()]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(tree(target)).toEqual(WRITTEN);
    expect(readdirSync(folder)).toEqual(['out']);
  });

  it('does not take a folder that the same process is writing for a stale one', async () => {
    let check = Promise.resolve();
    const meanwhile = trigger(() => {
      check = checkTarget(target, NO_FORCE);
    });
    const more = Array.from({ length: 500 }, (_, index) => ({
      name: `${index}.bin`,
      bytes: new Uint8Array(1),
    }));
    await writeDirectory(target, [meanwhile, ...more], NO_FORCE);
    await check;
    expect(readdirSync(target)).toHaveLength(501);
  });

  it('puts the old folder back when the new one cannot take its place', async () => {
    makeFolder(target, { 'old.txt': 'old' });
    sabotage.renameTo = target;
    const { code, message } = await failureOf(writeDirectory(target, FILES, FORCE));
    expect(code).toBe('io');
    expect(message).toBe(`cannot write ${target}: resource busy or locked (EBUSY)`);
    expect(tree(folder)).toEqual({ out: null, 'out/old.txt': 'old' });
  });

  it('listens for signals only while it writes', async () => {
    const events = ['SIGINT', 'SIGTERM', 'SIGHUP', 'exit'] as const;
    const count = () => events.map((event) => process.listenerCount(event));
    const before = count();
    let during: number[] = [];
    const spy = trigger(() => {
      during = count();
    });
    await writeDirectory(target, [spy], NO_FORCE);
    expect(during).toEqual(before.map((listeners) => listeners + 1));
    expect(count()).toEqual(before);
    const failing = trigger(() => {
      throw new RangeError('broken');
    });
    await expect(writeDirectory(target, [failing], FORCE)).rejects.toThrow('broken');
    expect(count()).toEqual(before);
    expect(tree(folder)).toEqual({ out: null, 'out/trigger.bin': '\0' });
  });
});
