/**
 * The validator is validated: faults of every kind are planted, one at a time, in a pair that agrees.
 * It must catch all of them, and call by their names those that it has a name for. The faults share
 * no code with the causes that it looks for.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint, type TensorView, toFloat32 } from '../../src/checkpoint/index.js';
import {
  convertCheckpoint,
  type Golden,
  isPth2tfjsError,
  readGolden,
  type Verification,
  type VerifyOptions,
  verifyModel,
} from '../../src/index.js';
import { temporaryFolder } from '../helpers/cli.js';
import { findPython, runPython } from '../helpers/python.js';
import { drawSeed } from '../helpers/seed.js';
import { slowUnless } from '../helpers/tiers.js';
import { FAULTS, type Fault, MAIN_FAULTS, type Pair, type Sound, soundFolding } from './faults.js';
import { madeFiles, type ReadFile } from './made-files.js';

/** As in oracle.test.ts: such networks keep rounding below 5e-6. */
const SOUND_BOUND = 2e-5;

/** Of the faults that have a name, at least this share must get it. */
const NAMED_SHARE = 0.9;

const { PTH2TFJS_FAULTS } = process.env;

/** `PTH2TFJS_FAULTS=all` plants those that take long, too, and tells the score with less knowledge. */
const ALL = PTH2TFJS_FAULTS === 'all';
const PLANTED = ALL ? FAULTS : MAIN_FAULTS;

/** Seeds that were tried out: which faults get a name depends on the network a little. */
const TRIED = [20_141_017];

/** One of each kind, for the quick tier. */
const QUICK: readonly string[] = [
  'inception4a.branch1/kernel with a number that is none',
  "BatchNorm with PyTorch's epsilon",
  'PyTorch was given raw pixels',
];

/** What these need of checkpoints.py. */
const QUICK_GOLDENS = ['given-pixels'];

const seed = drawSeed('checkpoints.py', TRIED);
const python = await findPython('the validator against planted faults');
const describeWithPython = python === undefined ? describe.skip : describe;

/** What the validator is told beside the model, the input and the logits. */
interface Knowledge {
  readonly checkpoint: boolean;
  readonly activations: boolean;
}

const EVERYTHING: Knowledge = { checkpoint: true, activations: true };

/** How a fault came out. */
interface Outcome {
  readonly fault: Fault;
  readonly verification: Verification | null;
  /** `model: …`, where the pair was refused before anything was compared. */
  readonly refusal: string | null;
  readonly milliseconds: number;
}

async function examine(fault: Fault, sound: Sound, knowledge: Knowledge): Promise<Outcome> {
  const pair = await fault.plant(sound);
  const started = performance.now();
  const outcome = await verify(pair, sound, knowledge)
    .then((verification) => ({ verification, refusal: null }))
    .catch((error: unknown) => {
      if (!isPth2tfjsError(error)) throw error;
      return { verification: null, refusal: `${error.code}: ${error.message}` };
    });
  return { fault, ...outcome, milliseconds: performance.now() - started };
}

function verify({ files, golden }: Pair, sound: Sound, knowledge: Knowledge) {
  const known = knowledge.activations ? golden : { ...golden, activations: new Map() };
  const options: VerifyOptions = { allowOtherCheckpoint: true };
  return verifyModel(
    files,
    known,
    knowledge.checkpoint ? { ...options, checkpoint: sound.checkpoint } : options,
  );
}

const isCaught = ({ verification, refusal }: Outcome) =>
  refusal !== null || verification?.passed === false;

const causeOf = ({ verification }: Outcome) => verification?.diagnosis?.cause ?? null;

const VOCABULARY = new Set(FAULTS.flatMap(({ nameable }) => nameable?.id ?? []));

/** Whether a fault that has no name got that of another one. */
const isMisnamed = (outcome: Outcome) => VOCABULARY.has(causeOf(outcome)?.id ?? '');

function isNamed(outcome: Outcome): boolean {
  const [expected, cause] = [outcome.fault.nameable, causeOf(outcome)];
  if (expected === null || cause === null || cause.id !== expected.id) return false;
  return expected.where === undefined || cause.where === expected.where;
}

// ---------------------------------------------------------------- the score

const COLUMNS = ['fault', 'place', 'error', 'first jump', 'called', ''] as const;

function scoreTable(outcomes: readonly Outcome[]): string {
  const rows = [COLUMNS, ...outcomes.map(scoreRow)];
  const widths = COLUMNS.map((_, i) => Math.max(...rows.map((row) => (row[i] as string).length)));
  const lines = rows.map((row) =>
    row.map((cell, i) => cell.padEnd(widths[i] as number)).join('  '),
  );
  return [...lines.map((line) => line.trimEnd()), totals(outcomes)].join('\n');
}

function scoreRow(outcome: Outcome): string[] {
  const { fault, verification, refusal } = outcome;
  const [result] = verification?.results ?? [];
  const cause = causeOf(outcome);
  return [
    fault.name,
    fault.place,
    result ? result.comparison.required.rtol.toExponential(1) : (refusal?.split(':')[0] ?? ''),
    result?.layers?.firstJump ?? '',
    cause === null ? '' : [cause.id, cause.where].filter(Boolean).join(' '),
    verdict(outcome),
  ];
}

function verdict(outcome: Outcome): string {
  if (!isCaught(outcome)) return 'MISSED';
  const { nameable } = outcome.fault;
  if (nameable === null) return isMisnamed(outcome) ? 'ok, has another name' : 'ok';
  if (isNamed(outcome)) return 'ok';
  return `NOT ${[nameable.id, nameable.where].filter(Boolean).join(' ')}`;
}

function totals(outcomes: readonly Outcome[]): string {
  const nameable = outcomes.filter(({ fault }) => fault.nameable !== null);
  const count = (all: readonly Outcome[], test: (outcome: Outcome) => boolean) =>
    `${all.filter(test).length}/${all.length}`;
  const nameless = outcomes.filter(({ fault }) => fault.nameable === null);
  const seconds = outcomes.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / 1000;
  return [
    `caught ${count(outcomes, isCaught)}, named ${count(nameable, isNamed)}`,
    `given a wrong name ${count(nameless, isMisnamed)}, in ${seconds.toFixed(0)} s`,
  ].join(', ');
}

// ---------------------------------------------------------------- the faults

describeWithPython('the validator, with a fault planted', () => {
  const folder = temporaryFolder();
  const outcomes: Outcome[] = [];
  let sound: Sound;

  beforeAll(async () => {
    const options = ['--seed', String(seed), '--out', folder];
    const make = (...names: readonly string[]) =>
      runPython(python as string, 'test/faults/checkpoints.py', ...options, ...names);
    await make(...QUICK_GOLDENS);
    sound = await readSound(madeFiles(folder, make));
  });

  afterAll(() => {
    if (outcomes.length > 0) console.info(scoreTable(outcomes));
  });

  it('has many faults, whose names differ', () => {
    expect(new Set(FAULTS.map(({ name }) => name)).size).toBe(FAULTS.length);
    expect(PLANTED.length).toBeGreaterThanOrEqual(40);
    expect(PLANTED.filter(({ nameable }) => nameable !== null).length).toBeGreaterThanOrEqual(30);
  });

  it.each(['plain', 'transformed'] as const)('passes the %s pair without one', async (pair) => {
    expectSound(await verify(sound[pair], sound, EVERYTHING));
  });

  it('passes weights that the faults fold rightly', async () => {
    expectSound(await verify(soundFolding(sound), sound, EVERYTHING));
  });

  describe('catches', () => {
    for (const fault of PLANTED) {
      it(fault.name, slowUnless(QUICK.includes(fault.name)), async () => {
        const outcome = await examine(fault, sound, EVERYTHING);
        outcomes.push(outcome);
        expect(isCaught(outcome), 'caught').toBe(true);
        if (fault.jump === undefined || outcome.verification === null) return;
        expect(outcome.verification.results[0]?.layers?.firstJump).toBe(fault.jump);
      });
    }
  });

  it('calls at least nine of ten by their names', () => {
    const nameable = outcomes.filter(({ fault }) => fault.nameable !== null);
    expect(nameable).not.toHaveLength(0);
    const missed = nameable.filter((outcome) => !isNamed(outcome)).map(({ fault }) => fault.name);
    expect(missed.length, missed.join('; ')).toBeLessThanOrEqual(
      (1 - NAMED_SHARE) * nameable.length,
    );
  });

  // Of no importance to whether the validator is right: what it can still tell when it is told less.
  const told: readonly (readonly [string, Knowledge])[] = [
    ['no checkpoint', { checkpoint: false, activations: true }],
    ['neither checkpoint nor activations', { checkpoint: false, activations: false }],
  ];
  it.each(ALL ? told : [])(
    'tells its score with %s',
    { timeout: 900_000 },
    async (what, knowledge) => {
      const less: Outcome[] = [];
      for (const fault of PLANTED) less.push(await examine(fault, sound, knowledge));
      console.info(`with ${what}:\n${scoreTable(less)}`);
    },
  );
});

function expectSound({ passed, diagnosis, results: [result] }: Verification): void {
  expect(passed).toBe(true);
  expect(diagnosis).toBeNull();
  expect(result?.comparison.required.rtol).toBeLessThan(SOUND_BOUND);
  expect(result?.layers?.firstJump).toBeNull();
  expect(result?.layers?.unmatched).toEqual([]);
}

async function readSound(file: ReadFile): Promise<Sound> {
  const checkpoint = await file('base.pth');
  const spoilt = async (name: string): Promise<Golden> =>
    readGolden(await file(`${name}.golden.pth`));
  const pair = async (golden: string, transformInput: boolean): Promise<Pair> => {
    const { files } = await convertCheckpoint(checkpoint, { imageSize: 64, transformInput });
    return { files, golden: await spoilt(golden) };
  };
  const { value } = await readCheckpoint(checkpoint);
  const tensors = [...(value as ReadonlyMap<string, TensorView>)].map(
    ([key, tensor]) => [key, toFloat32(tensor)] as const,
  );
  return {
    plain: await pair('base', false),
    transformed: await pair('transform', true),
    checkpoint,
    tensors: new Map(tensors),
    spoilt,
  };
}
