import fc from 'fast-check';
import { expect, test } from 'vitest';
import { counted } from '../../src/base/plural.js';
import {
  DEFAULT_RTOL,
  defaultRtol,
  rtolThatPasses,
  toleranceFor,
} from '../../src/verify/tolerance.js';
import type { VerifyOptions } from '../../src/verify/verification.js';
import { verifyModel } from '../../src/verify/verify-model.js';
import { drawSeed } from '../helpers/seed.js';

const seed = drawSeed('tolerance.test.ts');

test('the bound that is named passes, with two digits and little to spare', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-9, max: 1e3, noNaN: true }), (error) => {
      const text = rtolThatPasses(error);
      expect(text).toMatch(/^\d\.\de[+-]\d+$/);
      expect(Number(text)).toBeGreaterThan(error);
      // A hundredth to spare, and at most a tenth by rounding 1.0 up to 1.1.
      expect(Number(text)).toBeLessThan(error * 1.01 * 1.1 * (1 + 1e-9));
    }),
    { seed },
  );
  expect([1.52e-2, 9.99e-2, 4.53e-1, 2.28e-5].map(rtolThatPasses)).toEqual([
    '1.6e-2',
    '1.1e-1',
    '4.6e-1',
    '2.4e-5',
  ]);
});

test('what is stored in less is held to less, where nobody asks for a bound', () => {
  expect(toleranceFor('float32', {}).rtol).toBe(DEFAULT_RTOL.float32);
  expect(toleranceFor('float32', {}, 'uint8').rtol).toBe(DEFAULT_RTOL.float16);
  expect(toleranceFor('tf32', {}, 'uint8').rtol).toBe(DEFAULT_RTOL.tf32);
  expect(toleranceFor('float32', { rtol: 1e-3 }, 'float16').rtol).toBe(1e-3);
  expect(toleranceFor('float32', { atol: 1 }, 'float16').rtol).toBe(null);
  expect(defaultRtol('float16', undefined)).toBe(DEFAULT_RTOL.float16);
});

test('one is one', () => {
  expect([0, 1, 2, 1000, 6_624_904].map((count) => counted(count, 'weight'))).toEqual([
    '0 weights',
    '1 weight',
    '2 weights',
    '1000 weights',
    '6,624,904 weights',
  ]);
  expect(counted(1, 'class', 'classes')).toBe('1 class');
});

test.each([
  ['a bound below 0', { tolerance: { rtol: -1 } }, '`rtol` takes a number of at least 0'],
  [
    'a bound that is no number',
    { tolerance: { atol: NaN } },
    '`atol` takes a number of at least 0',
  ],
  [
    'an unknown backend',
    { backends: ['gpu'] },
    /^`backends`: there is no backend 'gpu'; there are .*wasm/,
  ],
])('%s is refused before anything is looked at', async (_, options, message) => {
  const golden = null as never;
  await expect(verifyModel([], golden, options as VerifyOptions)).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringMatching(message),
  });
});
