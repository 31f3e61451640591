import { BFLOAT16, FLOAT16, isOnGrid, type Rounding } from '../../rounding.js';
import { CLASSIFIER } from '../../structure.js';
import type { Explanation } from '../one-layer/explanation.js';
import { type LinearCase, linear } from './linear.js';
import { worstDistance } from './rows.js';

/** A linear layer alone that was computed in half precision: what went in, its weights and what came out. */
export function linearInHalf(each: LinearCase, goal: number): Explanation | undefined {
  const before = worstDistance(each.expected, linear(each));
  for (const rounding of [BFLOAT16, FLOAT16]) {
    const round = (values: ArrayLike<number>) => rounding.round(Float32Array.from(values));
    const inside = linear({
      ...each,
      features: { ...each.features, values: Float64Array.from(round(each.features.values)) },
      kernel: round(each.kernel),
      bias: round(each.bias),
    });
    const outside = { ...inside, values: Float64Array.from(round(inside.values)) };
    const onGrid = isOnGrid(Float32Array.from(each.expected.values), rounding);
    const error = worstDistance(each.expected, onGrid ? outside : inside);
    // A number between two halves may go either way; what is no rounding is no nearer for it.
    if (error > Math.max(goal, before * (onGrid ? MOST_ON_GRID : MOST_OFF_GRID))) continue;
    return { ...storyOf(rounding), error };
  }
  return undefined;
}

/**
 * What may be left of the error. Logits that all are halves tell much already; features that carry the
 * rounding of another runtime left 0.46 of it.
 */
const MOST_ON_GRID = 0.6;
const MOST_OFF_GRID = 1 / 3;

function storyOf({ name }: Rounding): Omit<Explanation, 'error'> {
  return {
    key: `${CLASSIFIER} in ${name}`,
    id: `precision-${name}`,
    summary: () => `PyTorch computed ${CLASSIFIER} alone in ${name}: what goes into it is right`,
    cure: `Make the golden file in float32: ${CLASSIFIER}.float(), and no autocast.`,
  };
}
