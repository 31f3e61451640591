import { readPatch } from '../../local/convolve.js';
import { type ConvCase, usualWindows } from '../../local/layer-case.js';
import { dot, leastSquares } from '../../local/least-squares.js';
import { samplePositions, valuesAt } from '../../local/planes.js';

/**
 * Whether some other kernel gives PyTorch's output from this input: then the weights are the matter,
 * and if none does, it is not the weights. Undefined where there are too few pixels to tell.
 */
export function isOtherKernel(each: ConvCase): boolean | undefined {
  const taps = each.kernel.length / each.channels;
  // Normal equations beyond this take too long.
  if (taps > 200) return undefined;
  const many = samplePositions(each.output, 6 * taps);
  const values = valuesAt(each.output, many);
  const channel = busiest(values, each.channels);
  const seen = many.filter((_, row) => values[row * each.channels + channel] !== 0);
  if (seen.length < 1.5 * taps) return undefined;
  const target = Float64Array.from(
    many.keys(),
    (row) => values[row * each.channels + channel] as number,
  ).filter((value) => value !== 0);
  const columns = Array.from({ length: taps + 1 }, () => new Float64Array(seen.length).fill(1));
  const patch = new Float64Array(taps);
  for (const [row, position] of seen.entries()) {
    readPatch(each.input, usualWindows(each.block), position, patch);
    for (let tap = 0; tap < taps; tap++) {
      (columns[tap] as Float64Array)[row] = patch[tap] as number;
    }
  }
  const found = leastSquares(columns, target);
  return found === null ? undefined : residual(columns, found, target) < 1e-3;
}

/** The output channel that ReLU lets through most often. */
function busiest(values: Float64Array, channels: number): number {
  const counts = new Uint32Array(channels);
  for (const [i, value] of values.entries()) {
    if (value !== 0) counts[i % channels] = (counts[i % channels] as number) + 1;
  }
  return counts.indexOf(Math.max(...counts));
}

function residual(
  columns: readonly Float64Array[],
  coefficients: readonly number[],
  target: Float64Array,
): number {
  const left = target.slice();
  for (const [k, column] of columns.entries()) {
    for (let i = 0; i < left.length; i++) {
      left[i] = (left[i] as number) - (coefficients[k] as number) * (column[i] as number);
    }
  }
  return Math.sqrt(dot(left, left) / dot(target, target));
}
