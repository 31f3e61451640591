import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/read-checkpoint.js';
import {
  findStateDicts,
  listTensors,
  selectStateDict,
} from '../../src/checkpoint/state-dict/find-state-dict.js';
import { TensorStorage, TensorView } from '../../src/checkpoint/tensor/tensor.js';
import { GOLDEN } from '../helpers/cli.js';

const load = async (name: string) =>
  (await readCheckpoint(readFileSync(join(GOLDEN, 'torch-1.13', name)))).value;
const tensor = () => new TensorView('float32', [1], [1], 0, new TensorStorage('0', 'float32', 1));
const tensors = (...keys: string[]) => new Map<string, unknown>(keys.map((key) => [key, tensor()]));

/** The keys of the small network that the golden checkpoints hold, as PyTorch prints them. */
const networkKeys = new Set(['0.weight', '1.weight', '1.bias', '2.weight', '2.bias']);
const select = (value: unknown, key?: string) => selectStateDict(value, { key, networkKeys });
const names = (value: unknown) => findStateDicts(value, networkKeys).map(({ name }) => name);

describe('finding the state dict in what training scripts save', () => {
  test('passes over the optimizer’s', async () => {
    const { name, stateDict, otherKeys } = select(await load('training.pth'));
    expect([name, otherKeys]).toEqual(['state_dict', []]);
    expect(stateDict.size).toBe(8);
  });

  test('goes as deep as it must', async () => {
    expect(select(await load('nested-deep.pth')).name).toMatch(/^\w+\.\w+/);
  });

  test('asks when two fit, and takes the one that is named', async () => {
    const value = await load('two-candidates.pth');
    expect(names(value)).toEqual(['model', 'model_ema']);
    expect(() => select(value)).toThrow(
      expect.objectContaining({
        code: 'ambiguous-state-dict',
        message: expect.stringMatching(/'model' .*'model_ema'/),
        hint: "choose one, such as `key: 'model'`",
      }),
    );
    expect(select(value, 'model_ema').name).toBe('model_ema');
  });

  test('lists what there is when the named one is absent, but not without end', async () => {
    expect(() => select(new Map([['a', tensors('w')]]), 'ema')).toThrow(
      /there are: 'a' \(1 tensor\)$/,
    );
    const many = new Map(Array.from({ length: 9 }, (_, i) => [`slot${i}`, tensors('w')]));
    expect(() => select(many, 'ema')).toThrow(/'slot4' \(1 tensor\), and 4 more$/);
  });

  test('counts one dict under two names once', () => {
    const dict = tensors(...networkKeys);
    expect(
      names(
        new Map([
          ['model', dict],
          ['best', dict],
        ]),
      ),
    ).toEqual(['model']);
  });

  test('reads a dotted path whose keys hold dots themselves', () => {
    const value = new Map([['runs.best', new Map([['model', tensors('w')]])]]);
    expect([...select(value, 'runs.best.model').stateDict.keys()]).toEqual(['w']);
  });

  test('calls the saved value itself by a dot', () => {
    const value = tensors(...networkKeys).set('ema', tensors(...networkKeys));
    expect(names(value).sort()).toEqual(['.', 'ema']);
    expect(select(value, '.').otherKeys).toEqual(['ema']);
  });

  test('says when there is none', async () => {
    const value = await load('only-number.pth');
    expect(() => select(value)).toThrow(expect.objectContaining({ code: 'no-state-dict' }));
  });
});

describe('what wrappers put before the keys', () => {
  test.each([
    ['prefix-module.pth', 'module.'],
    ['prefix-orig-mod.pth', '_orig_mod.'],
    ['prefix-both.pth', 'module._orig_mod.'],
    ['prefix-both-reversed.pth', '_orig_mod.module.'],
  ])('%s: %s', async (name, prefix) => {
    const found = select(await load(name));
    expect([found.name, found.prefix, found.fit]).toEqual(['.', prefix, 1]);
    for (const key of networkKeys) expect(found.stateDict.has(key)).toBe(true);
  });

  test('comes off the keys that have it, and sets the others aside', () => {
    const keys = [...networkKeys].map((key) => `student.backbone.${key}`);
    const found = select(tensors(...keys, 'criterion.weight', 'n_averaged'));
    expect(found.prefix).toBe('student.backbone.');
    expect([...found.stateDict.keys()]).toEqual([...networkKeys]);
    expect([...found.outside.keys()]).toEqual(['criterion.weight', 'n_averaged']);
  });

  test('may stand before two networks in one dict, which then each have a name', () => {
    const keys = [...networkKeys].flatMap((key) => [`model.${key}`, `ema_model.${key}`]);
    const value = new Map([['state_dict', tensors(...keys)]]);
    expect(names(value)).toEqual(['state_dict.model', 'state_dict.ema_model']);
    expect(() => select(value)).toThrow(/'state_dict\.model' .*'state_dict\.ema_model'/);
    expect(select(value, 'state_dict.ema_model').prefix).toBe('ema_model.');
  });

  test('come off wherever they stand', () => {
    const keys = [...networkKeys].map((key) => `net.${key.replace('.', '._orig_mod.module.')}`);
    const found = select(tensors(...keys));
    expect([found.prefix, found.fit]).toEqual(['net.', 1]);
    expect([...found.stateDict.keys()]).toEqual([...networkKeys]);
  });

  test('and leave no two keys that become one', () => {
    const wrapped = [...networkKeys].map((key) => `module.${key}`);
    expect(select(tensors(...wrapped, '0.weight')).collisions).toEqual([
      ['module.0.weight', '0.weight'],
    ]);
    expect(select(tensors(...networkKeys, '0._orig_mod.weight')).collisions).toEqual([
      ['0.weight', '0._orig_mod.weight'],
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
