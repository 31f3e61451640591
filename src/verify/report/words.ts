import type { Verification } from '../index.js';
import type { Tolerance } from '../tolerance.js';

/** A small number as people read it: `2.28e-5`. */
export function exponent(value: number): string {
  return value === 0 ? '0' : value.toExponential(2);
}

/** The bounds of a tolerance in words. */
export function bounds({ rtol, atol, top1 }: Tolerance): string {
  const parts = [
    ...(rtol === null ? [] : [`${exponent(rtol)} on ‖Δ‖/‖ref‖`]),
    ...(atol === null ? [] : [`${exponent(atol)} on max |Δ|`]),
    ...(top1 ? ['the same top-1'] : []),
  ];
  return parts.join(', ');
}

/** The verdict in one sentence. */
export function verdict({ results, passed, diagnosis }: Verification): string {
  const count = results[0]?.comparison.images.length ?? 0;
  const images = `${count} image${count === 1 ? '' : 's'}`;
  if (passed) {
    const names = results.map(({ backend }) => backend.name).join(', ');
    const tolerances = new Set(results.map(({ comparison }) => bounds(comparison.tolerance)));
    return `parity holds on ${names}: ${images} within ${[...tolerances].join('; ')}`;
  }
  const failing = results.filter(({ comparison }) => !comparison.passed);
  const parts = failing.map(({ backend, comparison }) => {
    const worst = comparison.images.filter((image) => !image.passed).map(({ image }) => image);
    return `parity fails on ${backend.name}: image ${worst.join(', ')} of ${images} beyond ${bounds(comparison.tolerance)}; the worst relative error is ${exponent(comparison.required.rtol)}`;
  });
  const cause = diagnosis?.cause ? [`likely cause: ${diagnosis.cause.summary}`] : [];
  return [...parts, ...cause].join('; ');
}
