import { readPatch } from '../../local/convolve.js';
import { channelErrors } from '../../local/errors.js';
import { activated, type ConvCase, convolved, usualWindows } from '../../local/layer-case.js';
import { dot, leastSquares } from '../../local/least-squares.js';
import { samplePositions, valuesAt } from '../../local/planes.js';

/** Normal equations beyond this take too long, as a rule, and where a layer has to tell for many. */
export const FEW_TAPS = 200;
export const MANY_TAPS = 600;

/**
 * Whether some other kernel gives PyTorch's output from this input, at pixels that it was not fitted to:
 * then the weights are the matter, and if none does, it is not the weights. Undefined where there are too
 * few pixels to tell.
 * @param exact whether it has to give all of it, and not only nearly: for weights that are not rounded
 */
export function isOtherKernel(
  each: ConvCase,
  mostTaps = FEW_TAPS,
  exact = false,
): boolean | undefined {
  const taps = each.kernel.length / each.channels;
  if (taps > mostTaps) return undefined;
  const sample = sampleOf(each, taps);
  const fitted = sample.rows.filter((_, i) => i % 4 !== 3);
  const held = sample.rows.filter((_, i) => i % 4 === 3);
  if (fitted.length < 1.3 * taps) return undefined;
  const columns = columnsOf(each, sample, fitted);
  const found = leastSquares(columns.values, targetsOf(each, sample, fitted));
  if (found === null) return undefined;
  const right = targetsOf(each, sample, held);
  const error = distance(right, predict(columnsOf(each, sample, held, columns.taps), found));
  const before = distance(right, usualAt(each, sample, held));
  if (error <= (exact ? MOST_LEFT : Math.max(MOST_LEFT, before / 50)))
    return before > 2 * MOST_LEFT ? true : undefined;
  return error > (exact ? 10 * MOST_LEFT : Math.max(MOST_ROUNDED, before / 20)) ? false : undefined;
}

/** Rounding, as it is magnified by solving. */
const MOST_LEFT = 1e-4;

/** What bfloat16 leaves of any kernel, with some to spare. */
const MOST_ROUNDED = 0.02;

interface Sample {
  /** The case at many more positions. */
  readonly many: ConvCase;
  readonly channel: number;
  /** Those of its positions that ReLU let through in that channel. */
  readonly rows: readonly number[];
}

/** Pixels of the channel that tells most: of those that are wrong, the one that ReLU lets through most often. */
function sampleOf(each: ConvCase, taps: number): Sample {
  const positions = samplePositions(each.output, 6 * taps);
  const many = { ...each, positions, expected: valuesAt(each.output, positions) };
  const errors = channelErrors(each.expected, activated(convolved(each), each), each.channels);
  const worst = Math.max(...errors);
  const channel = busiest(many.expected, each.channels, (c) => (errors[c] as number) > worst / 4);
  const rows = Array.from(positions.keys()).filter(
    (row) => many.expected[row * each.channels + channel] !== 0,
  );
  return { many, channel, rows };
}

function busiest(
  values: Float64Array,
  channels: number,
  counts: (channel: number) => boolean,
): number {
  const seen = new Uint32Array(channels);
  for (const [i, value] of values.entries()) {
    const c = i % channels;
    if (value !== 0 && counts(c)) seen[c] = (seen[c] as number) + 1;
  }
  return seen.indexOf(Math.max(...seen));
}

/** What each weight is multiplied with, by pixel, and a constant; weights that never meet anything are left out. */
function columnsOf(
  each: ConvCase,
  { many }: Sample,
  rows: readonly number[],
  known?: readonly number[],
): { readonly taps: readonly number[]; readonly values: readonly Float64Array[] } {
  const count = each.kernel.length / each.channels;
  const patch = new Float64Array(count);
  const all = Array.from({ length: count }, () => new Float64Array(rows.length));
  for (const [r, row] of rows.entries()) {
    readPatch(each.input, usualWindows(each.block), many.positions[row] as never, patch);
    for (const [tap, value] of patch.entries()) (all[tap] as Float64Array)[r] = value;
  }
  const taps =
    known ?? Array.from(all.keys()).filter((tap) => all[tap]?.some((value) => value !== 0));
  const ones = new Float64Array(rows.length).fill(1);
  return { taps, values: [...taps.map((tap) => all[tap] as Float64Array), ones] };
}

function targetsOf({ channels }: ConvCase, { many, channel }: Sample, rows: readonly number[]) {
  return Float64Array.from(rows, (row) => many.expected[row * channels + channel] as number);
}

/** What the layer as it should be gives there. */
function usualAt(each: ConvCase, { many, channel }: Sample, rows: readonly number[]): Float64Array {
  const positions = rows.map((row) => many.positions[row] as (typeof many.positions)[number]);
  const output = activated(convolved({ ...each, positions }), each);
  return Float64Array.from(rows, (_, i) => output[i * each.channels + channel] as number);
}

function predict(
  { values }: { readonly values: readonly Float64Array[] },
  coefficients: readonly number[],
): Float64Array {
  const sum = new Float64Array(values[0]?.length ?? 0);
  for (const [k, column] of values.entries()) {
    for (let i = 0; i < sum.length; i++) {
      sum[i] = (sum[i] as number) + (coefficients[k] as number) * (column[i] as number);
    }
  }
  return sum;
}

function distance(expected: Float64Array, actual: Float64Array): number {
  const difference = expected.map((value, i) => value - (actual[i] as number));
  return Math.sqrt(dot(difference, difference) / dot(expected, expected));
}
