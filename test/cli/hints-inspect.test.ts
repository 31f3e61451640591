/** What `inspect` advises is tried, too, and how a file gets to it. */
import { execFile, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readImage } from '../../cli/image-files.js';
import { STDIN } from '../../cli/stdin.js';
import { BUNDLED, CHECKPOINT } from '../helpers/bundled.js';
import { GOLDEN, MAIN, pth2tfjs, type Run } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';
import { writeZip } from '../helpers/zip-writer.js';
import { type Advice, at, take, tmp } from './hints.js';

describe('inspect', () => {
  const hashed = ['inspect', at('googlenet-0badc0de.pth')];
  const CASES: Readonly<Record<string, Advice>> = {
    'a hash that is none': {
      call: hashed,
      status: 2,
      says: /pass (--no-check-hash) if the name means something else/,
      next: ([, option]) => [...hashed, option as string],
    },
    'a key that is none': {
      call: ['inspect', CHECKPOINT, '--key', 'model'],
      status: 2,
      says: /no state dict under 'model'; there are: '(\S+)' \(364 tensors\)/,
      next: ([, key]) => ['inspect', CHECKPOINT, '--key', key as string],
    },
    help: {
      call: ['inspect'],
      status: 2,
      says: /see pth2tfjs (inspect) (--help)/,
      next: ([, ...args]) => args,
    },
  };
  beforeAll(() => writeFileSync(at('googlenet-0badc0de.pth'), BUNDLED));
  test.each(Object.entries(CASES))('%s', async (_, advice) => take(advice));

  const archived = (name: string, record: string, data: Uint8Array) => {
    writeFileSync(at(name), writeZip([{ name: record, data }]));
    return at(name);
  };
  const unpacks = (command: string) => spawnSync(command, ['--version']).error === undefined;

  test.skipIf(!unpacks('python3'))('an archive around a checkpoint', async () => {
    const small = readFileSync(join(GOLDEN, 'torch-1.13', 'dtype-bool.pth'));
    const { status, stderr } = await pth2tfjs('inspect', archived('FILE', 'best.pth', small));
    const [, command] = /around best\.pth; unpack it first: (python3 .*)\n$/.exec(stderr) ?? [];
    expect([status, command]).toEqual([2, expect.any(String)]);
    expect((await shell(command as string)).status).toBe(0);
    expect(await pth2tfjs('inspect', at('best.pth'))).toMatchObject({ status: 0, stderr: '' });
  });

  test.skipIf(!(unpacks('zip') && unpacks('unzip')))('an unzipped archive', async () => {
    const file = join(GOLDEN, 'torch-1.13', 'dtype-bool.pth');
    expect((await shell(`unzip -q ${file} -d unzipped`)).status).toBe(0);
    const [top = ''] = readdirSync(at('unzipped'));
    const { status, stderr } = await pth2tfjs('inspect', join(at('unzipped'), top));
    const [, command] = /pack the folder again with (zip -0 -r)\n$/.exec(stderr) ?? [];
    expect([status, command]).toEqual([2, expect.any(String)]);
    expect((await shell(`cd unzipped && ${command} ../packed.pth ${top}`)).status).toBe(0);
    const [again, before] = [
      await pth2tfjs('inspect', at('packed.pth')),
      await pth2tfjs('inspect', file),
    ];
    expect(again.status).toBe(0);
    const tensors = ({ stdout }: Run) => stdout.slice(stdout.indexOf('\n'));
    expect(tensors(again)).toBe(tensors(before));
  });
});

test('a file through a pipe', SLOW, async () => {
  const { isTTY } = process.stdin;
  process.stdin.isTTY = true;
  const hint = await readImage(STDIN).catch((error) => error.hint);
  process.stdin.isTTY = isTTY;
  const [, command] = /^pipe the file in, such as: (pth2tfjs inspect - < FILE)$/.exec(hint) ?? [];
  const script = `pth2tfjs() { "${process.execPath}" "${MAIN}" "$@"; }; ${command?.replace('FILE', CHECKPOINT)}`;
  expect(await shell(script)).toMatchObject({ status: 0, stderr: '' });
});

function shell(script: string): Promise<Run> {
  return new Promise((resolve) => {
    const child = execFile('bash', ['-c', script], { cwd: tmp }, (_, stdout, stderr) => {
      resolve({ status: child.exitCode, stdout, stderr });
    });
  });
}
