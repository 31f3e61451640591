import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readCheckpoint } from '../src/checkpoint/index.js';
import {
  findStateDicts,
  listTensors,
  selectStateDict,
  stripPrefixes,
} from '../src/checkpoint/state-dict.js';
import { TensorStorage, TensorView } from '../src/checkpoint/tensor.js';
import { GOLDEN } from './helpers/cli.js';

const load = async (name: string) =>
  (await readCheckpoint(readFileSync(join(GOLDEN, 'torch-1.13', name)))).value;
const anyFit = { fit: (keys: ReadonlySet<string>) => (keys.size > 1 ? 1 : 0) };
const tensor = () => new TensorView('float32', [1], [1], 0, new TensorStorage('0', 'float32', 1));

describe('finding the state dict in what training scripts save', () => {
  test('passes over the optimizer’s', async () => {
    const { path, stateDict, otherKeys } = selectStateDict(await load('training.pth'), anyFit);
    expect(path).toBe('state_dict');
    expect(otherKeys).toEqual([]);
    expect(stateDict.size).toBeGreaterThan(1);
  });

  test('goes as deep as it must', async () => {
    expect(selectStateDict(await load('nested-deep.pth'), anyFit).path).toMatch(/^\w+\.\w+/);
  });

  test('asks when two fit, and takes the one that is named', async () => {
    const value = await load('two-candidates.pth');
    const paths = findStateDicts(value).map(({ path }) => path);
    expect(paths).toEqual(['model', 'model_ema']);
    expect(() => selectStateDict(value, anyFit)).toThrow(
      expect.objectContaining({
        code: 'ambiguous-state-dict',
        message: expect.stringMatching(/'model' .*'model_ema'/),
        hint: 'choose one with --key model',
      }),
    );
    expect(selectStateDict(value, { ...anyFit, key: 'model_ema' }).path).toBe('model_ema');
  });

  test('lists what there is when the named one is absent', async () => {
    const value = await load('two-candidates.pth');
    expect(() => selectStateDict(value, { ...anyFit, key: 'ema' })).toThrow(/'model', 'model_ema'/);
  });

  test('counts one dict under two names once', () => {
    const dict = new Map([
      ['w', tensor()],
      ['b', tensor()],
    ]);
    const value = new Map([
      ['model', dict],
      ['best', dict],
    ]);
    expect(findStateDicts(value).map(({ path }) => path)).toEqual(['model']);
  });

  test('reads a dotted path whose keys hold dots themselves', () => {
    const dict = new Map([['w', tensor()]]);
    const value = new Map([['runs.best', new Map([['model', dict]])]]);
    expect(selectStateDict(value, { ...anyFit, key: 'runs.best.model' }).stateDict).toEqual(dict);
  });

  test('says when there is none', async () => {
    const value = await load('only-number.pth');
    expect(() => selectStateDict(value, anyFit)).toThrow(
      expect.objectContaining({ code: 'no-state-dict' }),
    );
  });
});

describe('prefixes that wrappers put before the keys', () => {
  test.each([
    ['prefix-module.pth', 'module.'],
    ['prefix-orig-mod.pth', '_orig_mod.'],
    ['prefix-both.pth', 'module._orig_mod.'],
    ['prefix-both-reversed.pth', '_orig_mod.module.'],
  ])('%s: %s', async (name, prefix) => {
    const [candidate] = findStateDicts(await load(name));
    const stripped = stripPrefixes(candidate as NonNullable<typeof candidate>);
    expect([stripped.prefix, `${stripped.prefix}`.length > 0]).toEqual([prefix, true]);
    expect([...stripped.stateDict.keys()].some((key) => key.includes('mod'))).toBe(false);
  });

  test('come off only when every key has them, counters of averages aside', () => {
    const partly = new Map([
      ['module.w', tensor()],
      ['head.w', tensor()],
    ]);
    expect(stripPrefixes({ stateDict: partly }).prefix).toBe('');
    const averaged = new Map([
      ['n_averaged', tensor()],
      ['module.w', tensor()],
    ]);
    expect([...stripPrefixes({ stateDict: averaged }).stateDict.keys()]).toEqual([
      'n_averaged',
      'w',
    ]);
  });
});

test('paths of tensors: a bare one, an empty key, a tuple as key', () => {
  expect([...listTensors(tensor()).keys()]).toEqual(['.']);
  const odd = new Map<unknown, unknown>([
    ['', tensor()],
    [[1, 'a'], [tensor()]],
    ['__proto__', tensor()],
  ]);
  expect([...listTensors(odd).keys()]).toEqual(['', '(1, a).0', '__proto__']);
});
