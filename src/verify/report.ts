import type { Verification } from './index.js';

/** The verdict in one sentence. */
export function verdict({ comparison, backend }: Verification): string {
  const { passed, images, requiredTolerance, tolerance } = comparison;
  const count = `${images.length} image${images.length === 1 ? '' : 's'}`;
  if (passed) return `parity holds on ${backend.name}: ${count} within ${exponent(tolerance)}`;
  const failing = images.filter(({ relativeError }) => !(relativeError <= tolerance));
  const worst = failing.map(({ image }) => image).join(', ');
  return `parity fails on ${backend.name}: image ${worst} of ${count} beyond ${exponent(tolerance)}; the worst relative error is ${exponent(requiredTolerance)}`;
}

/** The table that `pth2tfjs verify` prints. */
export function formatReport(verification: Verification): string {
  const { comparison, backend, model, golden } = verification;
  const header = ['image', 'max |Δ|', '‖Δ‖/‖ref‖', '1 − cosine', 'top-1', 'top-5', ''];
  const rows = comparison.images.map((image) => [
    String(image.image),
    exponent(image.maxAbsoluteError),
    exponent(image.relativeError),
    exponent(1 - image.cosine),
    top1(image.top1.expected, image.top1.actual),
    `${image.top5.agree}/${image.top5.of}`,
    image.relativeError <= comparison.tolerance ? 'ok' : 'FAIL',
  ]);
  return [
    `${model} against ${golden}, on ${backend.name} (${backend.description})`,
    '',
    ...alignColumns([header, ...rows]),
    '',
    `tolerance ${exponent(comparison.tolerance)} on ‖Δ‖/‖ref‖; smallest that would pass: ${exponent(comparison.requiredTolerance)}`,
    `${comparison.passed ? 'PASS' : 'FAIL'}: ${verdict(verification)}`,
  ].join('\n');
}

function top1(expected: number, actual: number): string {
  return expected === actual ? String(expected) : `${actual} instead of ${expected}`;
}

function exponent(value: number): string {
  return value === 0 ? '0' : value.toExponential(2);
}

/** Pads the columns to one width each. */
function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, c) => Math.max(...rows.map((row) => row[c]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, c) => cell.padEnd(widths[c] as number))
      .join('  ')
      .trimEnd(),
  );
}
