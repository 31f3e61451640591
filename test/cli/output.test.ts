import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type OutputFile, writeDirectory } from '../../cli/output.js';
import { checkTarget } from '../../cli/target.js';
import { Pth2tfjsError } from '../../src/base/errors.js';
import { compilePackage } from './compile.js';

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

const FORCE = { force: true };
const NO_FORCE = { force: false };
const FILES: readonly OutputFile[] = ['model.json', 'group1-shard1of1.bin', 'classes.txt'].map(
  (name) => ({ name, bytes: Buffer.from(`content of ${name}`) }),
);
const WRITTEN = Object.fromEntries(FILES.map(({ name }) => [name, `content of ${name}`]));

let folder: string;
let target: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pth2tfjs-output-'));
  target = join(folder, 'out');
});

afterEach(() => {
  sabotage.renameTo = '';
  rmSync(folder, { recursive: true });
});

/** Every file below `path` with its text, folders with null, hidden ones included. */
function tree(path: string): Record<string, string | null> {
  const entries = readdirSync(path, { withFileTypes: true, recursive: true });
  return Object.fromEntries(
    entries.map((entry) => {
      const full = join(entry.parentPath, entry.name);
      return [full.slice(path.length + 1), entry.isFile() ? readFileSync(full, 'utf8') : null];
    }),
  );
}

function makeFolder(path: string, files: Record<string, string> = {}): void {
  mkdirSync(path, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
}

async function failureOf(promise: Promise<void>): Promise<Pth2tfjsError> {
  const error: unknown = await promise.then(
    () => expect.fail('succeeded'),
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(Pth2tfjsError);
  return error as Pth2tfjsError;
}

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

describe('checkTarget', () => {
  it('accepts a missing or empty folder and changes nothing', async () => {
    await checkTarget(join(folder, 'a/b'), NO_FORCE);
    makeFolder(target);
    await checkTarget(target, NO_FORCE);
    expect(tree(folder)).toEqual({ out: null });
  });

  it('refuses a folder with files unless forced', async () => {
    makeFolder(target, { 'keep.txt': 'mine' });
    expect((await failureOf(checkTarget(target, NO_FORCE))).code).toBe('usage');
    await checkTarget(target, FORCE);
    expect(tree(target)).toEqual({ 'keep.txt': 'mine' });
  });

  it('refuses a file, forced or not', async () => {
    writeFileSync(target, 'x');
    for (const options of [FORCE, NO_FORCE]) {
      const { code, message } = await failureOf(checkTarget(target, options));
      expect([code, message]).toEqual(['usage', `${target} is a file, not a folder`]);
    }
    expect((await failureOf(checkTarget(join(target, 'below'), FORCE))).code).toBe('io');
  });

  it.each(['/', '.', '', '..', process.cwd(), dirname(process.cwd()), homedir()])(
    'refuses %j, forced or not',
    async (path) => {
      for (const options of [FORCE, NO_FORCE]) {
        const { code, message } = await failureOf(checkTarget(path, options));
        expect(code).toBe('usage');
        expect(message).toContain('the current or the home folder');
      }
    },
  );

  it('refuses a link to the current folder', async () => {
    symlinkSync(process.cwd(), target);
    const { message } = await failureOf(checkTarget(target, FORCE));
    expect(message).toContain('the current or the home folder');
  });
});

describe('after a run that was killed', () => {
  let dead: number;

  beforeAll(() => {
    dead = spawnSync(process.execPath, ['--version']).pid;
  });

  const sibling = (pid: number, rest = '') => join(folder, `.out.pth2tfjs-${pid}-0123abcd${rest}`);

  it('removes what the dead process, or one of the same pid, left behind', async () => {
    for (const pid of [dead, process.pid]) makeFolder(sibling(pid), { 'model.json': 'half' });
    makeFolder(sibling(dead, '.old'), { 'model.json': 'old' });
    makeFolder(target, { 'model.json': 'newer' });
    await checkTarget(target, FORCE);
    expect(tree(folder)).toEqual({ out: null, 'out/model.json': 'newer' });
  });

  it('puts back a folder that was set aside', async () => {
    makeFolder(sibling(dead), { 'model.json': 'new' });
    makeFolder(sibling(dead, '.old'), { 'model.json': 'old' });
    expect((await failureOf(writeDirectory(target, FILES, NO_FORCE))).code).toBe('usage');
    expect(tree(folder)).toEqual({ out: null, 'out/model.json': 'old' });
  });

  it('leaves alone what a running process writes and what only looks alike', async () => {
    const others = [sibling(process.ppid), join(folder, `.other.pth2tfjs-${dead}-0123abcd`)];
    others.push(sibling(dead, '.txt'), join(folder, `.out.pth2tfjs-x-0123abcd`));
    for (const path of others) makeFolder(path);
    await writeDirectory(target, FILES, NO_FORCE);
    for (const path of others) expect(existsSync(path)).toBe(true);
  });
});

describe('in a process of its own', () => {
  const script = fileURLToPath(new URL('output-child.mjs', import.meta.url));
  let compiled: string;

  beforeAll(() => {
    compiled = compilePackage();
  }, 60_000);

  afterAll(() => rmSync(compiled, { recursive: true }));

  interface Task {
    readonly size?: number;
    readonly pauseAt?: number;
    readonly uid?: number;
    readonly force?: boolean;
    readonly target?: string;
  }

  /** The command that writes 40 files as `task` says. */
  function command(task: Task): string[] {
    const module = join(compiled, 'cli/output.js');
    const all = { target, count: 40, size: 1000, uid: null, force: false, ...task, module };
    return [process.execPath, script, JSON.stringify(all)];
  }

  function resultOf([program = '', ...args]: string[]) {
    const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
    expect(stderr).toBe('');
    return JSON.parse(stdout);
  }

  /** Starts a child that has written some files and waits in the middle of the others. */
  async function pausedChild(task: Task): Promise<ChildProcess> {
    const [program = '', ...args] = command({ pauseAt: 20, ...task });
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const [data] = await once(child.stdout, 'data');
    expect(String(data)).toBe('paused\n');
    return child;
  }

  function leftovers(path: string): string[] {
    return readdirSync(path).filter((name) => name.includes('.pth2tfjs-'));
  }

  it('writes when nothing stops it', () => {
    expect(resultOf(command({}))).toEqual({ done: true });
    expect(readdirSync(target)).toHaveLength(40);
  });

  it.skipIf(process.platform === 'win32').each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('removes everything on %s and exits with %i', async (signal, status) => {
    const deep = join(folder, 'a/b');
    const child = await pausedChild({ target: join(deep, 'out') });
    const [temp = ''] = leftovers(deep);
    expect(readdirSync(join(deep, temp)).length).toBeGreaterThan(10);
    child.kill(signal);
    child.stdin?.end('x');
    expect(await once(child, 'close')).toEqual([status, null]);
    expect(tree(folder)).toEqual({});
  });

  it.skipIf(process.platform === 'win32')('keeps the old folder on SIGINT', async () => {
    makeFolder(target, { 'model.json': 'old' });
    const child = await pausedChild({ force: true });
    expect(leftovers(folder)).toHaveLength(1);
    child.kill('SIGINT');
    child.stdin?.end('x');
    expect(await once(child, 'close')).toEqual([130, null]);
    expect(tree(folder)).toEqual({ out: null, 'out/model.json': 'old' });
  });

  it('keeps the old folder on SIGKILL, and the next run clears up', async () => {
    makeFolder(target, { 'model.json': 'old' });
    const child = await pausedChild({ force: true });
    // A live writer's folder is not stale.
    await checkTarget(target, FORCE);
    expect(leftovers(folder)).toHaveLength(1);
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(leftovers(folder)).toHaveLength(1);
    expect(tree(target)).toEqual({ 'model.json': 'old' });
    await writeDirectory(target, FILES, FORCE);
    expect(tree(target)).toEqual(WRITTEN);
    expect(leftovers(folder)).toEqual([]);
  });

  it('is undone at a file size limit', (context) => {
    if (process.platform === 'win32') context.skip('there is no ulimit');
    makeFolder(target, { 'model.json': 'old' });
    const limited = ['bash', '-c', 'ulimit -f 64; exec "$@"', 'bash'];
    const small = resultOf([...limited, ...command({ target: join(folder, 'small') })]);
    expect(small).toEqual({ done: true });
    rmSync(join(folder, 'small'), { recursive: true });
    const task = { size: 100_000, force: true };
    const { code, message, hint } = resultOf([...limited, ...command(task)]);
    expect([code, message]).toEqual(['io', `cannot write ${target}: file too large (EFBIG)`]);
    expect(hint).toContain('ulimit -f');
    expect(tree(folder)).toEqual({ out: null, 'out/model.json': 'old' });
  });

  it('refuses a parent that is not writable', (context) => {
    if (process.platform === 'win32') context.skip('permissions work otherwise');
    chmodSync(folder, 0o555);
    // Permissions do not bind root, so the child becomes nobody.
    const user = process.getuid?.() === 0 ? { uid: 65_534 } : {};
    for (const path of [target, join(folder, 'a/b/out')]) {
      const { code, message, hint } = resultOf(command({ ...user, target: path }));
      expect([code, message]).toEqual(['io', `cannot write ${path}: permission denied (EACCES)`]);
      expect(hint).toBe('choose a folder that this user may write to');
    }
    chmodSync(folder, 0o755);
    expect(tree(folder)).toEqual({});
  });
});

describe('on a disk of one megabyte', () => {
  let disk: string;
  let whyNot = '';

  beforeAll(() => {
    disk = mkdtempSync(join(tmpdir(), 'pth2tfjs-disk-'));
    try {
      const args = ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk];
      execFileSync('mount', args, { stdio: 'pipe', encoding: 'utf8' });
    } catch (error) {
      whyNot = `cannot mount a tmpfs: ${error}`;
      console.warn(`the full disk is not tested: ${whyNot}`);
    }
  });

  afterAll(() => {
    if (whyNot === '') execFileSync('umount', [disk]);
    rmSync(disk, { recursive: true });
  });

  it('is undone when the disk is full', async (context) => {
    if (whyNot) context.skip(whyNot);
    const out = join(disk, 'a/out');
    makeFolder(join(disk, 'kept'), { 'model.json': 'old' });
    const files = Array.from({ length: 8 }, (_, index) => ({
      name: `${index}.bin`,
      bytes: new Uint8Array(200_000),
    }));
    for (const [path, options] of [
      [out, NO_FORCE],
      [join(disk, 'kept'), FORCE],
    ] as const) {
      const { code, message, hint } = await failureOf(writeDirectory(path, files, options));
      const text = `cannot write ${path}: no space left on device (ENOSPC)`;
      expect([code, message]).toEqual(['io', text]);
      expect(hint).toContain('free some space');
      expect(tree(disk)).toEqual({ kept: null, 'kept/model.json': 'old' });
    }
    await writeDirectory(out, files.slice(0, 4), NO_FORCE);
    expect(readdirSync(out)).toHaveLength(4);
  });

  it('refuses to replace the disk itself', async (context) => {
    if (whyNot) context.skip(whyNot);
    const { code, message } = await failureOf(checkTarget(disk, FORCE));
    expect([code, message]).toEqual(['usage', `${disk} is a mount point and cannot be replaced`]);
  });
});
