import { describe, expect, test } from 'vitest';
import { topK } from '../../src/numbers/logits.js';
import { compareLogits } from '../../src/verify/compare.js';
import { type Tolerance, toleranceFor } from '../../src/verify/tolerance.js';

/** A bound on the relative error alone. */
const within = (rtol: number) => ({ rtol, atol: null, top1: false });
const f32 = (...values: number[]) => Float32Array.from(values);

describe('comparing logits', () => {
  test('equal ones have no error', () => {
    const { images, passed, required } = compareLogits(f32(1, 2, 3), f32(1, 2, 3), 3, within(0));
    expect([passed, required]).toEqual([true, { rtol: 0, atol: 0 }]);
    expect(images[0]).toMatchObject({
      maxAbsoluteError: 0,
      relativeError: 0,
      top5: { expected: [2, 1, 0], actual: [2, 1, 0] },
    });
    expect(images[0]?.cosine).toBeCloseTo(1, 15);
  });

  test('the numbers are those one gets by hand', () => {
    // Δ = (0, 0, 0, -1), ‖ref‖ = ‖(2, 4, 4, 8)‖ = 10, a·b = 4 + 16 + 16 + 56 = 92, ‖actual‖ = √85.
    const { images } = compareLogits(f32(2, 4, 4, 8), f32(2, 4, 4, 7), 4, within(0.05));
    expect(images[0]?.relativeError).toBeCloseTo(0.1, 12);
    expect(images[0]?.maxAbsoluteError).toBe(1);
    expect(images[0]?.cosine).toBeCloseTo(92 / (10 * Math.sqrt(85)), 12);
  });

  test('one bad image fails the whole, and sets the tolerance that would pass', () => {
    const { images, passed, required } = compareLogits(
      f32(3, 4, 3, 4),
      f32(3, 4, 4, 3),
      2,
      within(0.01),
    );
    expect(passed).toBe(false);
    expect(required.rtol).toBeCloseTo(Math.SQRT2 / 5, 12);
    expect(required.atol).toBe(1);
    expect(images.map(({ top5 }) => [top5.expected[0], top5.actual[0]])).toEqual([
      [1, 1],
      [1, 0],
    ]);
  });

  test.each([NaN, Infinity, -Infinity])('a logit of %s fails at any tolerance', (bad) => {
    expect(compareLogits(f32(1, 2), f32(1, bad), 2, within(Number.MAX_VALUE)).passed).toBe(false);
  });

  test('a later good image does not hide one without numbers', () => {
    expect(compareLogits(f32(1, 2, 1, 2), f32(NaN, 2, 1, 2), 2, within(1)).passed).toBe(false);
  });

  test('logits that should be zero', () => {
    expect(compareLogits(f32(0, 0), f32(0, 0), 2, within(0)).passed).toBe(true);
    expect(compareLogits(f32(0, 0), f32(0, 1), 2, within(1e9)).passed).toBe(false);
  });
});

describe('bounds', () => {
  // Δ = (0, 0, 1), ‖ref‖ = 3: a relative error of 1/3, and an absolute one of 1.
  const compare = (tolerance: Partial<Tolerance>) =>
    compareLogits(f32(1, 2, 2), f32(1, 2, 3), 3, {
      rtol: null,
      atol: null,
      top1: false,
      ...tolerance,
    }).passed;

  test('every bound that is given must hold', () => {
    expect(compare({ rtol: 0.34 })).toBe(true);
    expect(compare({ rtol: 0.33 })).toBe(false);
    expect(compare({ atol: 1 })).toBe(true);
    expect(compare({ atol: 0.99 })).toBe(false);
    expect(compare({ rtol: 0.34, atol: 0.99 })).toBe(false);
  });

  test('the top class counts when asked for', () => {
    expect(compare({ rtol: 1, top1: true })).toBe(false);
    expect(compare({ rtol: 1, top1: false })).toBe(true);
  });

  test('no number passes under no bound at all', () => {
    const none = { rtol: null, atol: null, top1: false };
    expect(compareLogits(f32(1, 2), f32(1, NaN), 2, none).passed).toBe(false);
  });

  test('a precision has its default, which any bound of the caller replaces', () => {
    expect(toleranceFor('float32', {})).toEqual({ rtol: 5e-5, atol: null, top1: false });
    expect(toleranceFor('float32', { atol: 0.1 })).toEqual({ rtol: null, atol: 0.1, top1: false });
    expect(toleranceFor('float32', { top1: true }).rtol).toBe(5e-5);
  });
});

describe('agreement by luck', () => {
  const lucky = (expected: Float32Array, actual: Float32Array) =>
    compareLogits(expected, actual, expected.length, within(1)).images[0]?.luckyTop1;

  test('the margin decides', () => {
    expect(lucky(f32(0, 1, 1.5), f32(0, 1.25, 1.5))).toBe(false);
    expect(lucky(f32(0, 1, 1.25), f32(0.5, 1, 1.25))).toBe(true);
  });

  test('a wrong top class is no luck, and one class alone needs none', () => {
    expect(lucky(f32(0, 1), f32(2, 1))).toBe(false);
    expect(lucky(f32(1), f32(2))).toBe(false);
  });
});

test('the top classes, ties to the lower index', () => {
  expect(topK(f32(0.5, 2, 2, -1, 3, 0), 5)).toEqual([4, 1, 2, 0, 5]);
  expect(topK(f32(1, 2), 5)).toEqual([1, 0]);
});
