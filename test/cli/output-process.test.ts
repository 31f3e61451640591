/** Writing that is stopped, killed, limited, or out of space. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeDirectory } from '../../cli/output.js';
import { checkTarget } from '../../cli/target.js';
import { compilePackage } from './compile.js';
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
