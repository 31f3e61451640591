import type { Verification } from '../index.js';

/**
 * One JSON object on one line, for machines. `format` grows when a field changes its meaning.
 * Numbers that JSON lacks (NaN, infinities) become null; the logits themselves are left out.
 */
export function formatJSON(
  verification: Verification,
  { warnings = [] }: { readonly warnings?: readonly string[] } = {},
): string {
  const { expected, results, ...rest } = verification;
  return JSON.stringify({
    format: 1,
    ...rest,
    numClasses: expected.numClasses,
    results: results.map(({ logits: _, ...result }) => result),
    warnings,
  });
}
