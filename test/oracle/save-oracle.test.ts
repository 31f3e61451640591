/**
 * State dicts that a live PyTorch saves: we write the same bytes, and what we write the oldest and the
 * newest PyTorch at hand both read.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint, saveStateDict, stateDictMetadata } from '../../src/checkpoint/index.js';
import type { StateDict } from '../../src/checkpoint/tensor/tensor.js';
import { stateDictEntries, stateDictVersions } from '../../src/network/keys.js';
import { googlenet } from '../../src/networks/googlenet.js';
import { temporaryFolder } from '../helpers/cli.js';
import { findNewestPython, findPython, runPython } from '../helpers/python.js';
import { contents, expectSameBytes, rewrite } from '../helpers/rewrite.js';
import { SLOW } from '../helpers/tiers.js';

const SCRIPT = 'test/oracle/save-oracle.py';

/** The cases of save-oracle.py. */
const PLAIN = ['batch', 'batch-and-one', 'empty', 'many', 'single', 'types', 'views'];
const inBoth = (names: readonly string[]) =>
  names.flatMap((name) => [`${name}.legacy`, `${name}.zip`]);

/** Types that the oldest PyTorch does not know. */
const NEWER = 'newer.zip';

const OLDEST = {
  which: 'the oldest PyTorch',
  python: await findPython('state dicts for the oldest PyTorch'),
  cases: inBoth([...PLAIN, 'googlenet', 'googlenet-aux']).toSorted(),
};
const NEWEST = {
  which: 'the newest PyTorch',
  python: await findNewestPython('state dicts for the newest PyTorch'),
  cases: [...inBoth(PLAIN), NEWER].toSorted(),
};

describe.each([OLDEST, NEWEST])('what $which saves', SLOW, ({ which, python, cases }) => {
  const folder = temporaryFolder();
  const itWithPython = python === undefined ? it.skip : it;

  beforeAll(async () => {
    if (python === undefined) return;
    const names = await runPython(python, SCRIPT, 'make', folder);
    expect(lines(names)).toEqual(expect.arrayContaining(cases));
    for (const name of cases) await saveOurs(folder, name);
  });

  itWithPython.each(cases)('%s: we write the same bytes', async (name) => {
    const bytes = await readFile(join(folder, `${name}.pth`));
    const again = rewrite(await readCheckpoint(bytes));
    // Archives have more records about themselves now than in the oldest PyTorch.
    const sameRecords = name.endsWith('.legacy') || which === NEWEST.which;
    if (sameRecords) expectSameBytes(again, bytes);
    else expect(contents(again)).toEqual(contents(bytes));
  });

  it.runIf(python && OLDEST.python)('the oldest PyTorch reads what we write', async () => {
    expect(await readBy(OLDEST.python as string)).toEqual(cases.filter((name) => name !== NEWER));
  });

  it.runIf(python && NEWEST.python)('the newest PyTorch reads what we write', async () => {
    expect(await readBy(NEWEST.python as string)).toEqual(cases);
  });

  const networks = [
    ['googlenet.zip', undefined],
    ['googlenet-aux.zip', [7, 7]],
  ] as const;
  itWithPython.each(networks.filter(([name]) => cases.includes(name)))(
    '%s: we know its keys, shapes and versions of modules',
    async (name, auxClasses) => {
      const { value } = await readCheckpoint(await readFile(join(folder, `${name}.pth`)));
      const options = { branch3Kernel: 3, numClasses: 7, auxClasses } as const;
      const found = [...(value as StateDict)].map(([key, { dtype, shape }]) => [
        key,
        { dtype, shape },
      ]);
      const entries = [...stateDictEntries(googlenet(options))];
      expect(entries.map(([key, { dtype, shape }]) => [key, { dtype, shape }])).toEqual(found);
      expect([...stateDictVersions(googlenet(options))]).toEqual([
        ...(stateDictMetadata(value) ?? []),
      ]);
    },
  );

  async function readBy(reader: string): Promise<string[]> {
    return lines(await runPython(reader, SCRIPT, 'check', folder));
  }
});

function lines(output: string): string[] {
  return output.trim().split('\n').toSorted();
}

/** FILE.ours.pth beside PyTorch's FILE.pth, by the public functions alone. */
async function saveOurs(folder: string, name: string): Promise<void> {
  const { value, container } = await readCheckpoint(await readFile(join(folder, `${name}.pth`)));
  const format = container.format === 'legacy' ? 'legacy' : 'zip';
  const options = { format, metadata: stateDictMetadata(value) } as const;
  await writeFile(join(folder, `${name}.ours.pth`), saveStateDict(value as StateDict, options));
}
