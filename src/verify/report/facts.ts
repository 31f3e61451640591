import type { Comparison, ImageComparison } from '../compare.js';
import type { Attempt } from '../diagnosis.js';
import type { LayerComparison, LayerReport } from '../layers.js';
import { defaultRtol } from '../tolerance.js';
import type { BackendResult, Verification } from '../verification.js';

/** A backend's result whose golden file holds activations. */
export type LayeredResult = BackendResult & { readonly layers: LayerReport };

/** The results that have something to say about layers. */
export function layeredResults(results: readonly BackendResult[]): LayeredResult[] {
  return results.filter((result): result is LayeredResult => result.layers !== null);
}

/** The first layer whose error jumps. */
export function firstJump({ layers }: BackendResult): LayerComparison | undefined {
  return layers?.layers.find(({ layer }) => layer === layers.firstJump);
}

/** The bound on a layer's relative error beyond which it counts as off. */
export function layerBound({ backend, comparison, stored }: BackendResult): number {
  return comparison.tolerance.rtol ?? defaultRtol(backend.precision, stored);
}

/** How many of the leading classes stand at the same rank. */
export function agreement({ top5 }: ImageComparison): number {
  return top5.expected.filter((index, rank) => index === top5.actual[rank]).length;
}

export function sameTop1({ top5 }: ImageComparison): boolean {
  return top5.expected[0] === top5.actual[0];
}

export function failedImages({ images }: Comparison): number[] {
  return images.filter(({ passed }) => !passed).map(({ image }) => image);
}

/** The smallest bounds, each of which alone would let every image pass; null where none would. */
export function smallestPassing(comparison: Comparison): { rtol: number; atol: number } | null {
  const { images, required, tolerance } = comparison;
  if (tolerance.top1 && !images.every(sameTop1)) return null;
  return Number.isFinite(required.rtol) && Number.isFinite(required.atol) ? required : null;
}

/** At most `limit` images, in order: those that fail on some backend come before the others. */
export function chooseImages({ results }: Verification, limit: number): number[] {
  const images = (results[0]?.comparison.images ?? []).map(({ image }) => image);
  const failed = new Set(results.flatMap(({ comparison }) => failedImages(comparison)));
  return [
    ...images.filter((each) => failed.has(each)),
    ...images.filter((each) => !failed.has(each)),
  ]
    .slice(0, limit)
    .sort((a, b) => a - b);
}

/** What came nearest, each description once, and how many were tried. */
export function nearestAttempts(attempts: readonly Attempt[]): {
  readonly nearest: readonly Attempt[];
  readonly total: number;
} {
  const best = new Map<string, Attempt>();
  for (const attempt of attempts) {
    const known = best.get(attempt.description);
    if (known === undefined || attempt.error < known.error) best.set(attempt.description, attempt);
  }
  // What is no number came to nothing.
  const distance = ({ error }: Attempt) => (Number.isNaN(error) ? Infinity : error);
  const sorted = [...best.values()].sort((a, b) => distance(a) - distance(b) || 0);
  return { nearest: sorted.slice(0, MOST_SHOWN), total: sorted.length };
}

/** More is in the JSON report. */
const MOST_SHOWN = 10;

/** How a layer is to be judged: only the first jump of a backend that fails is to blame. */
export type LayerOutcome = 'within' | 'first jump' | 'beyond';

export function layerOutcome(result: LayeredResult, layer: LayerComparison): LayerOutcome {
  if (layer.relativeError <= layerBound(result)) return 'within';
  const blamed = !result.comparison.passed && layer.layer === result.layers.firstJump;
  return blamed ? 'first jump' : 'beyond';
}

/** One layer as every backend has it, in network order. */
export interface LayerRow {
  readonly layer: string;
  readonly shape: readonly number[];
  /** One for each layered result; undefined where that backend has no such layer. */
  readonly cells: readonly (LayerComparison | undefined)[];
  /** The backends on which the error jumps here. */
  readonly jumpsOn: readonly string[];
}

export function layerRows(results: readonly LayeredResult[]): LayerRow[] {
  const maps = results.map(
    ({ layers }) => new Map(layers.layers.map((each) => [each.layer, each])),
  );
  const names = new Set(results.flatMap(({ layers }) => layers.layers.map(({ layer }) => layer)));
  return [...names].map((layer) => {
    const cells = maps.map((map) => map.get(layer));
    return {
      layer,
      shape: cells.find((cell) => cell !== undefined)?.shape ?? [],
      cells,
      jumpsOn: results
        .filter(({ layers }) => layers.firstJump === layer)
        .map(({ backend }) => backend.name),
    };
  });
}
