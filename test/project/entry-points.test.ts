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
  const stdout = execFileSync(process.execPath, ['bench/entry-points.js'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const measured = stdout.trim().split('\n');
  const stated = rowsOf('docs/measurements.md', HEADER);
  const entryPoints = Object.keys(manifest.exports).filter((path) => path !== './package.json');
  expect(stated.map(([path]) => path)).toEqual(
    entryPoints.map((path) => `\`pth2tfjs${path.slice(1)}\``),
  );
  for (const [i, row] of stated.entries()) {
    const [sizes, ours] = [measured[i] as string, row.join()].map(kilobytes) as [
      number[],
      number[],
    ];
    expect([sizes.length, ours.length]).toEqual([2, 2]);
    for (const [k, size] of ours.entries()) {
      expect(Math.abs(size / (sizes[k] as number) - 1), measured[i]).toBeLessThan(0.1);
    }
  }
});
