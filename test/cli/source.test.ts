import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { chmod, open, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { hubHash, looksLikeDate } from '../../cli/hub-hash.js';
import { readSource } from '../../cli/source.js';
import { failureOf, pattern } from './source.js';

const folder = mkdtempSync(join(tmpdir(), 'pth2tfjs-source-'));
const inFolder = (name: string) => join(folder, name);

afterAll(() => rmSync(folder, { recursive: true }));

/** Root may read everything, so it must give that up for a while. */
async function asNobody<T>(action: () => Promise<T>): Promise<T> {
  const root = process.geteuid?.() === 0;
  if (root) process.seteuid?.('nobody');
  try {
    return await action();
  } finally {
    if (root) process.seteuid?.(0);
  }
}

describe('readSource with a path', () => {
  it.each([0, 1, 8 * 2 ** 20, 40 * 2 ** 20 + 12_345])('reads %i bytes', async (size) => {
    const path = inFolder('model-1378be20.pth');
    const bytes = pattern(size);
    await writeFile(path, bytes);
    const source = await readSource(path);
    expect(source.name).toBe('model-1378be20.pth');
    expect(Buffer.compare(source.bytes, bytes)).toBe(0);
    expect(source.bytes.buffer.byteLength).toBe(size);
  });

  it('names a missing file', async () => {
    const path = inFolder('absent.pth');
    const { code, message } = await failureOf(path);
    expect([code, message]).toEqual(['io', `no such file: ${path}`]);
  });

  it('refuses a folder', async () => {
    const { code, message, hint } = await failureOf(folder);
    expect([code, message]).toEqual(['io', `${folder} is a folder, not a checkpoint`]);
    expect(hint).toContain('zip -0 -r');
  });

  it('says why a path cannot be read', async () => {
    await writeFile(inFolder('plain'), 'x');
    const { code, message } = await failureOf(inFolder('plain/model.pth'));
    expect(code).toBe('io');
    expect(message).toContain('not a directory (ENOTDIR)');
  });

  it('refuses a file without read permission', async () => {
    const path = inFolder('secret.pth');
    await writeFile(path, 'x');
    await chmod(path, 0o000);
    const { code, message } = await asNobody(() => failureOf(path));
    expect([code, message]).toEqual(['io', `cannot read ${path}: permission denied (EACCES)`]);
  });

  it.skipIf(process.platform === 'win32')(
    'refuses a pipe and a device without waiting',
    async () => {
      const pipe = inFolder('pipe');
      execFileSync('mkfifo', [pipe]);
      for (const path of [pipe, '/dev/zero']) {
        const { code, message } = await failureOf(path);
        expect([code, message]).toEqual(['io', `${path} is not a regular file`]);
      }
    },
  );

  it('refuses a file beyond the limit', async () => {
    const path = inFolder('huge.pth');
    await writeFile(path, '');
    await truncate(path, 2 ** 30 + 1);
    const { code, message } = await failureOf(path);
    expect(code).toBe('limit');
    expect(message).toContain('1073741825 bytes, more than the limit of 1073741824');
    await truncate(path, 100);
    expect((await failureOf(path, { maxBytes: 99 })).code).toBe('limit');
    expect((await readSource(path, { maxBytes: 100 })).bytes.length).toBe(100);
  });

  it.each([
    [1000, 'shrinks'],
    [3000, 'grows'],
  ])('notices a file that comes to %i bytes (%s) while being read', async (size) => {
    const path = inFolder('unsteady.pth');
    await writeFile(path, pattern(2000));
    const handle = await open(path);
    const prototype = Object.getPrototypeOf(handle);
    const stat = prototype.stat;
    await handle.close();
    const spy = vi.spyOn(prototype, 'stat').mockImplementationOnce(async function (this: unknown) {
      const info = await stat.call(this);
      truncateSync(path, size);
      return info;
    });
    const { code, message } = await failureOf(path);
    expect(spy).toHaveBeenCalled();
    expect([code, message]).toEqual([
      'io',
      `${path} changed from 2000 to ${size} bytes while being read`,
    ]);
  });

  it('notices the end of a file that claims to be longer', async () => {
    const path = inFolder('boastful.pth');
    await writeFile(path, pattern(2000));
    const handle = await open(path);
    const prototype = Object.getPrototypeOf(handle);
    const info = await handle.stat();
    await handle.close();
    vi.spyOn(prototype, 'stat').mockResolvedValue(Object.assign(info, { size: 3000 }));
    const { code, message } = await failureOf(path);
    const text = `${path} changed from 3000 to 2000 bytes while being read`;
    expect([code, message]).toEqual(['io', text]);
  });
});

describe('hubHash', () => {
  it.each([
    ['googlenet-1378be20.pth', '1378be20'],
    ['googlenet-1378be20.pth.gz', '1378be20'],
    ['mnasnet0.5_top1_67.823-3ffadce67.pth', '3ffadce67'],
    [`m-${'ab'.repeat(32)}.pth`, 'ab'.repeat(32)],
    ['model-20240115.pth', '20240115'],
  ])('finds the hash in %s', (name, hash) => {
    expect(hubHash(name)).toBe(hash);
  });

  it.each([
    'googlenet.pth',
    'googlenet-1378be2.pth',
    'googlenet-1378BE20.pth',
    'googlenet-1378be20',
    'googlenet-1378be20x.pth',
    'googlenet-1378be20.safetensors',
    `m-${'a'.repeat(65)}.pth`,
    '',
  ])('finds none in %j', (name) => {
    expect(hubHash(name)).toBeUndefined();
  });
});

describe('looksLikeDate', () => {
  it('is true for decimal digits only', () => {
    expect(looksLikeDate('20240115')).toBe(true);
    expect(looksLikeDate('1378be20')).toBe(false);
  });
});
