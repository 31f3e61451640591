/**
 * More planted faults, made by somebody who had not read the causes that the validator looks for. What it
 * says of each is judged by its words: any true name counts, whichever it is; to blame what is in order is worse
 * than to say nothing, and must not happen. Sound pairs of many kinds must pass.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint, type TensorView, toFloat32 } from '../../../src/checkpoint/index.js';
import { convertCheckpoint, isPth2tfjsError, readGolden, verifyModel } from '../../../src/index.js';
import { temporaryFolder } from '../../helpers/cli.js';
import { findPython, runPython } from '../../helpers/python.js';
import { drawSeed } from '../../helpers/seed.js';
import { slowUnless } from '../../helpers/tiers.js';
import { madeFiles, type ReadFile } from '../made-files.js';
import { FURTHER_GOLDENS } from './goldens.js';
import { FURTHER_INPUTS } from './inputs.js';
import { FURTHER_MODELS } from './models.js';
import { isVisible, judge, type Outcome, scoreOf } from './score.js';
import { SOUND_PAIRS } from './sound.js';
import type { Further, Ground, Planted } from './types.js';
import { FURTHER_WEIGHTS, LOWEST_BIT } from './weights.js';

/** By where they are planted. */
const PLACES: readonly (readonly [place: string, faults: readonly Further[]])[] = [
  ['PyTorch', FURTHER_GOLDENS],
  ['the input', FURTHER_INPUTS],
  ['model.json', FURTHER_MODELS],
  ['the shards', FURTHER_WEIGHTS],
];
const FURTHER = PLACES.flatMap(([, faults]) => faults);

const { PTH2TFJS_FAULTS } = process.env;
const ALL = PTH2TFJS_FAULTS === 'all';
const PLANTED = ALL ? FURTHER : FURTHER.filter(({ always }) => always);

/** Of the faults that a person could name, at least this share must be named. */
const NAMED_SHARE = 0.95;

/** Seeds that were tried out: what is named depends on the network a little. */
const TRIED = [11_251_121];

/** For the quick tier; the others of the same kind resemble them. */
const QUICK: readonly string[] = ["PyTorch's fc has no bias", 'one image'];

/** Those that cost little beside their number. */
const SOUND = ALL ? SOUND_PAIRS : SOUND_PAIRS.filter(({ name }) => !/5x5|trainable/.test(name));

const seed = drawSeed('further.py', TRIED);
const python = await findPython('the validator against further faults');
const describeWithPython = python === undefined ? describe.skip : describe;

describeWithPython('the validator, with a further fault planted', () => {
  const folder = temporaryFolder();
  const outcomes: Outcome[] = [];
  let ground: Ground;

  beforeAll(async () => {
    const options = ['--seed', String(seed), '--out', folder];
    const make = (wanted: (name: string) => boolean) => {
      const asked = [...PLANTED, ...SOUND].filter(({ name }) => wanted(name));
      const needs = new Set(asked.flatMap(({ needs: each }) => each));
      return runPython(python as string, 'test/faults/further/further.py', ...options, ...needs);
    };
    await make((name) => QUICK.includes(name));
    ground = await readGround(madeFiles(folder, () => make(() => true)));
  });

  afterAll(() => {
    if (outcomes.length > 0) console.info(scoreOf(outcomes));
  });

  it('has many faults, whose names differ', () => {
    expect(new Set(FURTHER.map(({ name }) => name)).size).toBe(FURTHER.length);
    expect(FURTHER.length).toBeGreaterThanOrEqual(60);
    expect(PLANTED.length).toBeGreaterThanOrEqual(20);
  });

  describe('passes', () => {
    for (const { name, plant } of SOUND) {
      it(name, slowUnless(QUICK.includes(name)), async () => {
        const { passed, diagnosis } = await verify(await plant(ground), ground);
        expect(passed).toBe(true);
        expect(diagnosis).toBeNull();
      });
    }
  });

  describe.each(PLACES)('catches, and blames nothing else than, in %s:', (_, faults) => {
    for (const fault of faults.filter((each) => PLANTED.includes(each))) {
      it(fault.name, slowUnless(QUICK.includes(fault.name)), async () => {
        const outcome = await examine(fault, ground);
        outcomes.push(outcome);
        // Else it would be no fault.
        expect(isVisible(outcome), 'its effect').toBe(true);
        expect(['missed', 'wrong']).not.toContain(judge(outcome));
      });
    }
  });

  it('tells the lowest bit of a weight from the checkpoint', slowUnless(false), async () => {
    const outcome = await examine(LOWEST_BIT, ground);
    expect(judge(outcome)).toBe('named');
  });

  it('names nineteen of twenty that a person could name', slowUnless(false), () => {
    const nameable = outcomes.filter(({ fault }) => fault.nameable);
    const missed = nameable.filter((outcome) => judge(outcome) !== 'named');
    const names = missed.map(({ fault }) => fault.name).join('; ');
    expect(missed.length, names).toBeLessThanOrEqual((1 - NAMED_SHARE) * nameable.length);
  });
});

async function examine(fault: Further, ground: Ground): Promise<Outcome> {
  const planted = await fault.plant(ground);
  return verify(planted, ground)
    .then((verification) => ({ fault, verification, refusal: null }))
    .catch((error: unknown) => {
      if (!isPth2tfjsError(error)) throw error;
      return { fault, verification: null, refusal: `${error.message}; ${error.hint ?? ''}` };
    });
}

function verify({ files, golden, checkpoint: own }: Planted, ground: Ground) {
  const checkpoint = own === undefined ? ground.checkpoint : own;
  return verifyModel(files, golden, checkpoint === null ? {} : { checkpoint });
}

async function readGround(file: ReadFile): Promise<Ground> {
  const spoilt = async (name: string) => readGolden(await file(`${name}.golden.pth`));
  const checkpoint = await file('base.pth');
  const pair = async (golden: string, transformInput: boolean) => {
    const { files } = await convertCheckpoint(checkpoint, { imageSize: 64, transformInput });
    return { files, golden: await spoilt(golden) };
  };
  const tensors = (await readCheckpoint(checkpoint)).value as ReadonlyMap<string, TensorView>;
  return {
    plain: await pair('base', false),
    transformed: await pair('transform', true),
    checkpoint,
    tensors: new Map([...tensors].map(([key, tensor]) => [key, toFloat32(tensor)])),
    spoilt,
    file,
  };
}
