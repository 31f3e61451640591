/** What may be written to, and what a run that was killed left there. */
import { spawnSync } from 'node:child_process';
import { existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeDirectory } from '../../cli/output.js';
import { checkTarget } from '../../cli/target.js';
import { FILES, FORCE, failureOf, folder, makeFolder, NO_FORCE, target, tree } from './output.js';

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

  // Node's own way to make all parents at once never ends there.
  it.skipIf(process.platform !== 'linux')('gives up where no folder can be made', async () => {
    const { code, message } = await failureOf(
      writeDirectory('/proc/none/out', [...FILES], NO_FORCE),
    );
    expect([code, message]).toEqual([
      'io',
      'cannot write /proc/none/out: no such file or directory (ENOENT)',
    ]);
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
