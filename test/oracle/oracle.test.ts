/**
 * Parity with a live PyTorch: random networks by torchvision's own GoogLeNet.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type ConvertOptions,
  convertCheckpoint,
  type Golden,
  inspectCheckpoint,
  type NamedBytes,
  readGolden,
  verifyModel,
} from '../../src/index.js';
import type { BackendResult, Comparison } from '../../src/verify/index.js';
import { GOLDEN, temporaryFolder } from '../helpers/cli.js';
import { findPython, runPython } from '../helpers/python.js';
import { drawSeed } from '../helpers/seed.js';
import { SLOW, slowUnless } from '../helpers/tiers.js';
import { type Case, draw, ORACLE, optionsOf, TRIED } from './drawn.js';

/**
 * The bound on ‖Δ‖/‖ref‖, of a case and of each image. The networks are built so that rounding stays
 * small: over many seeds PyTorch's own float32 logits lie up to 3e-6 from its float64 logits, one
 * image's up to 4e-6, and ours lie at most 5.2e-6 from PyTorch's. Four times that leaves room for other
 * processors; the faults that the controls below put in give 3e-4 and more.
 */
const BOUND = 2e-5;

/** The cases of oracle.py; the tests need their names before it runs. */
const NAMES = [
  'as-published',
  'paper-kernels',
  'smallest',
  'half',
  'double',
  'bfloat16',
  'data-parallel',
  'compiled',
  'averaged',
  'two-models',
  'fine-tuned',
  'before-0.4.1',
];

/** Those of the quick tier. */
const QUICK: readonly string[] = ['as-published', 'smallest', 'half'];

const python = await findPython('parity with a live PyTorch');
const describeWithPython = python === undefined ? describe.skip : describe;
const folder = temporaryFolder();

describeWithPython('a random network by torchvision', () => {
  const seed = drawSeed('oracle.py', TRIED);
  const cases = new Map<string, Promise<Case>>();

  it('comes in all the cases below', async () => {
    const names = await runPython(python as string, ORACLE);
    expect(names.trimEnd().split('\n')).toEqual(NAMES);
  });

  for (const name of NAMES) {
    describe(name, slowUnless(QUICK.includes(name)), () => {
      it('gives the logits of PyTorch', async () => {
        const drawn = await caseOf(name);
        const { files, provenance } = await convert(drawn);
        expect(provenance).toMatchObject({
          source: { container: drawn.container },
          stateDict: { name: drawn.path, prefix: drawn.prefix },
          branch3Kernel: drawn.branch3Kernel,
          numClasses: drawn.numClasses,
          transformInput: drawn.transformInput,
          ignoredKeys: drawn.ignored,
        });
        const golden = await goldenOf(drawn);
        const comparison = await compareWith(files, golden);
        const context = `seed ${seed}; PyTorch's float32 is ${drawn.floor} from its float64`;
        expect(comparison.required.rtol, context).toBeLessThanOrEqual(BOUND);
        expect(batchError(comparison, golden), context).toBeLessThanOrEqual(BOUND);
      });

      it('is described as PyTorch describes it', async () => {
        const drawn = await caseOf(name);
        const { networks } = await inspectCheckpoint(await load(drawn.checkpoint));
        const network = networks.find(({ stateDict }) => stateDict.name === drawn.path);
        if (!network?.fits) throw new Error(`no network found in ${drawn.path}`);
        expect(network.tree?.replace(/ {2}# [\d,]+$/gm, '')).toBe(drawn.print);
        expect(network.parameters).toEqual(drawn.parameters);
      });
    });
  }

  describe('is not confirmed', SLOW, () => {
    it.each([
      ['two-models', 'off'],
      ['compiled', 'off'],
      ['averaged', 'on'],
    ])('with the transform_input of %s turned %s', async (name, turned) => {
      const drawn = await caseOf(name);
      expect(drawn.transformInput).toBe(turned === 'off');
      await expectFailure(drawn, { transformInput: !drawn.transformInput });
    });

    it('with the other one of two models', async () => {
      const drawn = await caseOf('two-models');
      for (const key of drawn.candidates.filter((path) => path !== drawn.path)) {
        await expectFailure(drawn, { key });
      }
    });

    it.each(['noise', 'mirror', 'epsilon'])('with the fault %s in its weights', async (fault) => {
      const drawn = await caseOf('two-models');
      const spoiled = drawn.faults.find((candidate) => candidate.fault === fault);
      await expectFailure(
        { ...drawn, checkpoint: spoiled?.checkpoint as string, candidates: [] },
        {},
      );
    });

    it('while two state dicts fit', async () => {
      const drawn = await caseOf('two-models');
      const message = new RegExp(drawn.candidates.map((path) => `'${path}'`).join('.*'));
      await expect(convert({ ...drawn, candidates: [] })).rejects.toMatchObject({
        code: 'ambiguous-state-dict',
        message: expect.stringMatching(message),
      });
    });
  });

  /** Drawn when the first test wants it. */
  function caseOf(name: string): Promise<Case> {
    const drawn = cases.get(name) ?? draw(python as string, name, seed, folder);
    cases.set(name, drawn);
    return drawn;
  }
});

/** The other way round: the files that PyTorch wrote into the repository are those that it writes. */
describeWithPython('golden/generate.py', () => {
  it('writes the small files again, byte by byte', SLOW, async (context) => {
    const out = join(folder, 'golden');
    await runPython(python as string, 'golden/generate.py', '--only', 'small', '--out', out);
    const [version] = (await readdir(out)).filter((name) => name.startsWith('torch-'));
    const [fresh, kept] = [join(out, `${version}`), join(GOLDEN, `${version}`)];
    if (!existsSync(kept)) return context.skip(`there are no files of ${version} to compare with`);
    const names = await readdir(fresh);
    expect(names).toEqual(await readdir(kept));
    for (const name of names) {
      const same = (await readFile(join(fresh, name))).equals(await readFile(join(kept, name)));
      expect(same, name).toBe(true);
    }
  });
});

function load(name: string): Promise<Uint8Array> {
  return readFile(join(folder, name));
}

async function goldenOf({ golden }: Case): Promise<Golden> {
  return readGolden(await load(golden));
}

async function convert(drawn: Case, changes: ConvertOptions = {}) {
  return convertCheckpoint(await load(drawn.checkpoint), { ...optionsOf(drawn), ...changes });
}

async function compareWith(files: readonly NamedBytes[], golden: Golden): Promise<Comparison> {
  const { results } = await verifyModel(files, golden, { diagnose: false });
  return (results[0] as BackendResult).comparison;
}

/** Converts a case in a wrong way, and expects the verdict to tell. */
async function expectFailure(drawn: Case, changes: ConvertOptions): Promise<void> {
  const { files } = await convert(drawn, changes);
  const comparison = await compareWith(files, await goldenOf(drawn));
  expect(comparison.passed, `required ${comparison.required.rtol}`).toBe(false);
}

/** ‖Δ‖/‖ref‖ over all images together. */
function batchError({ images }: Comparison, { logits, numClasses }: Golden): number {
  let [difference, reference] = [0, 0];
  for (const { image, relativeError } of images) {
    const row = logits.subarray(image * numClasses, (image + 1) * numClasses);
    const square = row.reduce((sum, value) => sum + value ** 2, 0);
    difference += relativeError ** 2 * square;
    reference += square;
  }
  return Math.sqrt(difference / reference);
}
