import type { Comparison } from '../compare.js';
import type { Diagnosis } from '../diagnosis.js';
import type { BackendResult, Verification } from '../verification.js';
import { verdict } from './words.js';

/**
 * What `--report json` prints. The types are those of the library; only numbers that JSON lacks (NaN
 * and the infinities) read null there, which is how an error that is no number is told.
 */
export interface JSONReport extends Pick<Verification, 'tool' | 'runtime' | 'model' | 'golden'> {
  /** Grows when a field changes its meaning or goes away; new fields may come at any time. */
  readonly format: 1;
  readonly passed: boolean;
  /** The same in one sentence, for people. */
  readonly verdict: string;
  readonly provenance: Verification['provenance'];
  readonly numClasses: number;
  /** One for each backend, in the order asked for; the logits themselves are left out. */
  readonly results: readonly (Omit<BackendResult, 'logits' | 'comparison'> & {
    readonly comparison: Comparison;
  })[];
  readonly diagnosis: Diagnosis | null;
  /** Things that the user should know, one sentence each. */
  readonly warnings: readonly string[];
}

/** One JSON object on one line, a `JSONReport`, for machines. */
export function formatJSON(
  verification: Verification,
  { warnings = [] }: { readonly warnings?: readonly string[] } = {},
): string {
  const { tool, runtime, model, golden, passed, provenance, expected } = verification;
  const { results, diagnosis } = verification;
  const report: JSONReport = {
    format: 1,
    passed,
    verdict: verdict(verification),
    tool,
    runtime,
    model,
    golden,
    provenance,
    numClasses: expected.numClasses,
    results: results.map(
      ({ backend, comparison, basis, layers, stored, millisecondsPerImage }) => ({
        backend,
        comparison,
        basis,
        layers,
        ...(stored === undefined ? {} : { stored }),
        millisecondsPerImage,
      }),
    ),
    diagnosis,
    warnings,
  };
  return JSON.stringify(report);
}
