import { BFLOAT16, FLOAT16, isOnGrid, type Rounding } from '../../rounding.js';
import type { Explanation } from '../one-layer/explanation.js';
import { TORCHVISION_GOLDEN } from '../suspect.js';
import { outputFunctions } from './functions.js';
import { outputOrders } from './orders.js';
import { distance, type Rows, rowAt, worstDistance } from './rows.js';

/** What was done to right logits before they were saved: functions, other orders, rounding, single images. */
export function explainOutputs(
  logits: Rows,
  expected: Rows,
  goal: number,
): Explanation | undefined {
  const before = worstDistance(expected, logits);
  for (const change of [
    ...outputFunctions(logits, expected),
    ...outputOrders(logits, expected, goal),
  ]) {
    const error = worstDistance(expected, change.outputs);
    // A number fitted to a gap that is hardly open closes it whatever opened it.
    if (!(error <= goal && error <= before / 10)) continue;
    const { id, summary, cure } = change;
    return { key: summary, id, nowhere: true, summary: () => summary, cure, error };
  }
  return (
    roundedOutputs(logits, expected, goal) ??
    fewValues(logits, expected, goal) ??
    fewRows(logits, expected, goal)
  );
}

function roundedOutputs(logits: Rows, expected: Rows, goal: number): Explanation | undefined {
  const values = Float32Array.from(expected.values);
  const noise = 2 * goal * Math.sqrt(logits.values.reduce((a, x) => a + x * x, 0) / values.length);
  for (const rounding of [BFLOAT16, FLOAT16]) {
    if (isOnGrid(values, rounding) && withinSteps(logits, expected, rounding, noise)) {
      return roundedStory(rounding.name, worstDistance(expected, logits));
    }
  }
  for (const digits of [0, 1, 2, 3, 4]) {
    const power = 10 ** digits;
    const near = expected.values.every((value, i) => {
      const onGrid = Math.abs(value * power - Math.round(value * power)) < 1e-3;
      return onGrid && Math.abs(value - (logits.values[i] as number)) <= 0.5001 / power + noise;
    });
    if (near) return roundedStory(`${digits} decimals`, worstDistance(expected, logits));
  }
  return undefined;
}

/** Whether each is its source rounded, where the source itself is known but for some noise. */
function withinSteps(logits: Rows, expected: Rows, { bits }: Rounding, noise: number): boolean {
  return expected.values.every((value, i) => {
    const step = 2 ** (Math.floor(Math.log2(Math.abs(value) + 1e-30)) - bits);
    return Math.abs(value - (logits.values[i] as number)) <= step / 2 + noise;
  });
}

function roundedStory(what: string, error: number): Explanation {
  const summary = `the golden file's logits were rounded to ${what} when they were saved; the network computed right`;
  const float = what === 'float16' || what === 'bfloat16';
  return {
    key: summary,
    nowhere: true,
    id: float ? `precision-${what}` : 'logits-rounded',
    summary: () => summary,
    cure: 'Save the logits in float32, as the model returns them.',
    error,
  };
}

/** A few numbers that differ among many that agree. */
function fewValues(logits: Rows, expected: Rows, goal: number): Explanation | undefined {
  const { columns, values } = expected;
  const unit = Math.sqrt(values.reduce((a, x) => a + x * x, 0) / values.length);
  const wrong = Array.from(values.keys()).filter(
    (i) => Math.abs((values[i] as number) - (logits.values[i] as number)) > 10 * goal * unit,
  );
  if (wrong.length === 0 || wrong.length > values.length / 20) return undefined;
  const places = wrong
    .slice(0, 3)
    .map((i) => `class ${i % columns} of image ${Math.floor(i / columns)}`);
  const summary = `${wrong.length} of the golden file's ${values.length} logits differ, the others agree: ${places.join(', ')}${wrong.length > 3 ? ' and more' : ''}`;
  return {
    key: summary,
    nowhere: true,
    id: 'logits',
    summary: () => summary,
    cure: TORCHVISION_GOLDEN,
    error: goal,
  };
}

/** Images whose logits are wrong, where those of others are right. */
function fewRows(logits: Rows, expected: Rows, goal: number): Explanation | undefined {
  const rows = Array.from({ length: expected.images }, (_, image) => image);
  const error = (row: number) => distance(rowAt(expected, row), rowAt(logits, row));
  const wrong = rows.filter((row) => error(row) > goal);
  // One that agrees proves the network; faults that spare an image leave it less than right.
  if (wrong.length === rows.length || wrong.some((row) => error(row) < 1e3 * goal))
    return undefined;
  const summary = `the golden file's logits of image ${wrong.join(', ')} are not those of its image; the other images agree`;
  return {
    key: summary,
    nowhere: true,
    id: 'image-other',
    summary: () => summary,
    cure: TORCHVISION_GOLDEN,
    error: Math.max(...wrong.map(error)),
  };
}
