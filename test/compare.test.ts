import { describe, expect, test } from 'vitest';
import { compareLogits, topK } from '../src/verify/compare.js';

const f32 = (...values: number[]) => Float32Array.from(values);

describe('comparing logits', () => {
  test('equal ones have no error', () => {
    const { images, passed, requiredTolerance } = compareLogits(f32(1, 2, 3), f32(1, 2, 3), 3, 0);
    expect([passed, requiredTolerance]).toEqual([true, 0]);
    expect(images[0]).toMatchObject({
      maxAbsoluteError: 0,
      relativeError: 0,
      top5: { agree: 3, of: 3 },
    });
    expect(images[0]?.cosine).toBeCloseTo(1, 15);
  });

  test('the numbers are those one gets by hand', () => {
    // Δ = (0, 0, 0, -1), ‖ref‖ = ‖(2, 4, 4, 8)‖ = 10, a·b = 4 + 16 + 16 + 56 = 92, ‖actual‖ = √85.
    const { images } = compareLogits(f32(2, 4, 4, 8), f32(2, 4, 4, 7), 4, 0.05);
    expect(images[0]?.relativeError).toBeCloseTo(0.1, 12);
    expect(images[0]?.maxAbsoluteError).toBe(1);
    expect(images[0]?.cosine).toBeCloseTo(92 / (10 * Math.sqrt(85)), 12);
  });

  test('one bad image fails the whole, and sets the tolerance that would pass', () => {
    const { images, passed, requiredTolerance } = compareLogits(
      f32(3, 4, 3, 4),
      f32(3, 4, 4, 3),
      2,
      0.01,
    );
    expect(passed).toBe(false);
    expect(requiredTolerance).toBeCloseTo(Math.SQRT2 / 5, 12);
    expect(images.map(({ top1 }) => top1)).toEqual([
      { expected: 1, actual: 1 },
      { expected: 1, actual: 0 },
    ]);
  });

  test.each([NaN, Infinity, -Infinity])('a logit of %s fails at any tolerance', (bad) => {
    expect(compareLogits(f32(1, 2), f32(1, bad), 2, Number.MAX_VALUE).passed).toBe(false);
  });

  test('a later good image does not hide one without numbers', () => {
    expect(compareLogits(f32(1, 2, 1, 2), f32(NaN, 2, 1, 2), 2, 1).passed).toBe(false);
  });

  test('logits that should be zero', () => {
    expect(compareLogits(f32(0, 0), f32(0, 0), 2, 0).passed).toBe(true);
    expect(compareLogits(f32(0, 0), f32(0, 1), 2, 1e9).passed).toBe(false);
  });
});

test('the top classes, ties to the lower index', () => {
  expect(topK(f32(0.5, 2, 2, -1, 3, 0), 5)).toEqual([4, 1, 2, 0, 5]);
  expect(topK(f32(1, 2), 5)).toEqual([1, 0]);
});
