/**
 * Causes by themselves: what they say of golden files that PyTorch wrote with one thing changed, layers
 * and all (test/verify/causes-oracle.py), and that they say nothing of what is right.
 */
import { describe, expect, test } from 'vitest';
import { SLOW, slowUnless } from '../helpers/tiers.js';
import { CASES, explain, python, WITHOUT } from './causes.js';

const QUICK = [
  'fc-bias',
  'average-pool',
  'no-relu',
  'other-crop',
  'divided-twice',
  'instance-norm',
  'relu-first',
];

describe.skipIf(python === undefined)('from its layers, with the checkpoint', () => {
  test('nothing is said of what is right', async () => {
    expect(await explain('right')).toBeNull();
    expect(await explain('right', false)).toBeNull();
  });

  for (const [name, id, where, summary] of CASES) {
    test(`${name} is told`, slowUnless(QUICK.includes(name)), async () => {
      const story = await explain(name);
      expect(story).toMatchObject({ id, where });
      expect(story?.summary).toMatch(summary);
    });
  }

  test.each(WITHOUT)('without the checkpoint, %s is told', SLOW, async (name, id, summary) => {
    const story = await explain(name, false);
    expect(story).toMatchObject({ id });
    expect(story?.summary).toMatch(summary);
  });

  test('without the checkpoint, BatchNorm is named and not what it is about', SLOW, async () => {
    expect(await explain('norm-of-batch', false)).toMatchObject({ id: 'batch-norm' });
    expect(await explain('epsilon-one', false)).toMatchObject({
      where: 'inception5a.branch1/kernel',
    });
  });
});
