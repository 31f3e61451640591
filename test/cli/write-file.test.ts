import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkFile, writeWhole, writeWholeChecked } from '../../cli/write-file.js';
import { compilePackage } from './compile.js';

const FORCE = { force: true };
const NO_FORCE = { force: false };
const onPosix = it.skipIf(process.platform === 'win32');

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pth2tfjs-file-'));
  path = join(folder, 'model.pth');
  return () => rmSync(folder, { recursive: true });
});

const text = () => readFileSync(path, 'utf8');

describe('a file that is written whole', () => {
  it.each([FORCE, NO_FORCE])('is new (%o)', async (options) => {
    await checkFile(path, options);
    await writeWhole(path, Uint8Array.of(1, 0, 255), options);
    expect([...readFileSync(path)]).toEqual([1, 0, 255]);
    expect(readdirSync(folder)).toEqual(['model.pth']);
  });

  it('replaces another only when asked to', async () => {
    writeFileSync(path, 'old');
    const refusal = {
      code: 'usage',
      message: expect.stringContaining('model.pth is there already'),
      hint: 'choose another name or pass --force',
    };
    await expect(checkFile(path, NO_FORCE)).rejects.toMatchObject(refusal);
    await expect(writeWhole(path, 'new', NO_FORCE)).rejects.toMatchObject(refusal);
    expect(text()).toBe('old');
    await writeWhole(path, 'new', FORCE);
    expect(text()).toBe('new');
    expect(readdirSync(folder)).toEqual(['model.pth']);
  });

  it('does not replace one that came while it was written', async () => {
    const content = (async function* () {
      yield 'new';
      writeFileSync(path, 'of someone else');
    })();
    const writing = writeWhole(path, content as unknown as string, NO_FORCE);
    await expect(writing).rejects.toMatchObject({ code: 'usage' });
    expect(text()).toBe('of someone else');
    expect(readdirSync(folder)).toEqual(['model.pth']);
  });

  it('gets its name when what was written has been checked', async () => {
    const seen: string[] = [];
    const check = async (written: string) => {
      seen.push(readFileSync(written, 'utf8'), ...readdirSync(folder));
      return 'good';
    };
    const content = new TextEncoder().encode('new');
    expect(await writeWholeChecked(path, content, NO_FORCE, check)).toBe('good');
    expect(seen).toEqual(['new', expect.stringMatching(/^\.model\.pth\.pth2tfjs-/)]);
    expect(text()).toBe('new');
    const bad = new Error('bad');
    const worse = new TextEncoder().encode('worse');
    await expect(writeWholeChecked(path, worse, FORCE, () => Promise.reject(bad))).rejects.toBe(
      bad,
    );
    expect(text()).toBe('new');
    expect(readdirSync(folder)).toEqual(['model.pth']);
    await expect(writeWholeChecked('/dev/null', content, FORCE, check)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('cannot be read back'),
    });
  });

  it('leaves all as it was when the content fails', async () => {
    writeFileSync(path, 'old');
    const content = (async function* () {
      yield 'half';
      throw new Error('no more');
    })();
    await expect(writeWhole(path, content as unknown as string, FORCE)).rejects.toThrow('no more');
    expect(text()).toBe('old');
    expect(readdirSync(folder)).toEqual(['model.pth']);
  });

  onPosix('stays where a link leads', async () => {
    mkdirSync(join(folder, 'deep'));
    symlinkSync('deep/real.pth', path);
    await writeWhole(path, 'one', NO_FORCE);
    await writeWhole(path, 'two', FORCE);
    expect(readFileSync(join(folder, 'deep/real.pth'), 'utf8')).toBe('two');
    expect(readdirSync(join(folder, 'deep'))).toEqual(['real.pth']);
    expect(readdirSync(folder)).toEqual(['deep', 'model.pth']);
  });

  it.each([
    ['a folder', '.', 'usage', /is a folder, not a file/],
    ['a path through a file', 'file/model.pth', 'io', /cannot write .*ENOTDIR/],
    ['a missing folder', 'missing/model.pth', 'io', /cannot write .*ENOENT/],
  ])('cannot be %s', async (_, name, code, message) => {
    writeFileSync(join(folder, 'file'), '');
    const error = { code, message: expect.stringMatching(message) };
    await expect(checkFile(join(folder, name), FORCE)).rejects.toMatchObject(error);
    await expect(writeWhole(join(folder, name), '', FORCE)).rejects.toMatchObject(error);
    expect(readdirSync(folder)).toEqual(['file']);
  });
});

describe('a pipe or a device is written to, not replaced', () => {
  onPosix('a named pipe', async () => {
    expect(spawnSync('mkfifo', [path]).status).toBe(0);
    const reader = spawn('cat', [path]);
    const received = once(reader.stdout, 'data');
    await writeWhole(path, 'through the pipe', NO_FORCE);
    expect(String((await received)[0])).toBe('through the pipe');
    expect(readdirSync(folder)).toEqual(['model.pth']);
  });
});

describe('a child process', () => {
  let compiled: string;
  beforeAll(() => {
    compiled = compilePackage();
  });
  afterAll(() => rmSync(compiled, { recursive: true }));

  /** Starts one that has written half of its file, and waits. */
  async function startChild() {
    const script = `
      import { writeWhole } from ${JSON.stringify(join(compiled, 'cli/write-file.js'))};
      async function* content() {
        yield 'half';
        process.stdout.write('paused');
        await new Promise((resolve) => process.stdin.once('data', resolve));
      }
      await writeWhole(${JSON.stringify(path)}, content(), { force: true });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    await once(child.stdout, 'data');
    return child;
  }

  onPosix.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('leaves nothing behind after %s', async (signal, status) => {
    writeFileSync(path, 'old');
    const child = await startChild();
    expect(readdirSync(folder)).toHaveLength(2);
    child.kill(signal);
    expect(await once(child, 'close')).toEqual([status, null]);
    expect(text()).toBe('old');
    expect(readdirSync(folder)).toEqual(['model.pth']);
  });

  it('killed outright leaves half a sibling, which the next run removes', async () => {
    const child = await startChild();
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(readdirSync(folder)).toEqual([expect.stringMatching(/^\.model\.pth\.pth2tfjs-/)]);
    await writeWhole(path, 'new', NO_FORCE);
    expect(readdirSync(folder)).toEqual(['model.pth']);
  });
});
