/** What the documentation says of the size of each entry point in a browser, as its own script measures it. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { rowsOf } from './docs.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const HEADER = ['entry point', 'at once, gzipped', 'in all, gzipped'];

/** The kilobytes in a text, in their order. */
const kilobytes = (text: string) => [...text.matchAll(/([\d.]+) kB/g)].map(([, kB]) => Number(kB));

test('the stated sizes of the entry points are within a tenth of what is measured', () => {
  const stdout = execFileSync(process.execPath, ['bench/doors.js'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const measured = stdout.trim().split('\n');
  const stated = rowsOf('docs/measurements.md', HEADER);
  const doors = Object.keys(manifest.exports).filter((door) => door !== './package.json');
  expect(stated.map(([door]) => door)).toEqual(doors.map((door) => `\`pth2tfjs${door.slice(1)}\``));
  for (const [i, row] of stated.entries()) {
    const sizes = kilobytes(measured[i] as string);
    expect(sizes).toHaveLength(2);
    for (const [k, size] of kilobytes(row.join()).entries()) {
      expect(Math.abs(size / (sizes[k] as number) - 1), measured[i]).toBeLessThan(0.1);
    }
  }
});
