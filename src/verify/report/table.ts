import type { ImageComparison } from '../compare.js';
import type { Diagnosis } from '../diagnosis.js';
import type { BackendResult, Verification } from '../verification.js';
import { agreement, type LayerRow, layeredResults, layerRows, nearestAttempts } from './facts.js';
import {
  asOptions,
  backendFacts,
  causeSentence,
  environment,
  exponent,
  jumpWords,
  luckySentences,
  smallestSentence,
  toleranceWords,
  top1Words,
  triedWords,
  verdict,
  type Wording,
} from './words.js';

/** Backends stand side by side as long as a line stays within this. */
const WIDTH = 100;

/** The table that `pth2tfjs verify` prints: for people, on a terminal. */
export function formatTable(
  verification: Verification,
  { layers = false, word = asOptions }: { readonly layers?: boolean; readonly word?: Wording } = {},
): string {
  const { results, passed, diagnosis } = verification;
  const puzzled = diagnosis !== null && diagnosis.cause === null;
  const blocks = [
    environmentLines(verification),
    ...imageTables(results),
    results.map((result) => toleranceLine(result, word)),
    luckySentences(results),
    jumpLines(results),
    layers || puzzled ? layerTable(results) : [],
    diagnosis === null ? [] : diagnosisLines(diagnosis),
    [`${passed ? 'PASS' : 'FAIL'}: ${verdict(verification)}`],
  ];
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

function environmentLines(verification: Verification): string[] {
  const ran = verification.results.map((result) => [result.backend.name, backendFacts(result)]);
  return alignColumns([...environment(verification), ...ran]);
}

/** A row for each image and a group of columns for each backend, as many groups as fit in a line. */
function imageTables(results: readonly BackendResult[]): string[][] {
  const first = results[0]?.comparison.images ?? [];
  const images = alignColumns([[''], ['image'], ...first.map(({ image }) => [String(image)])]);
  const tables: string[][] = [];
  for (const result of results) {
    const group = imageColumns(result);
    const last = tables.at(-1);
    const joined = last === undefined ? [] : beside(last, group);
    if (last !== undefined && Math.max(...joined.map(({ length }) => length)) <= WIDTH) {
      tables[tables.length - 1] = joined;
    } else {
      tables.push(beside(images, group));
    }
  }
  return tables.map((lines) => lines.map((line) => line.trimEnd()));
}

function imageColumns({ backend, comparison }: BackendResult): string[] {
  const header = ['‖Δ‖/‖ref‖', 'max |Δ|', 'top-1', 'top-5', ''];
  const rows = alignColumns([header, ...comparison.images.map(imageCells)]);
  return [backend.name, ...rows];
}

function imageCells(image: ImageComparison): string[] {
  return [
    exponent(image.relativeError),
    exponent(image.maxAbsoluteError),
    top1Words(image),
    `${agreement(image)}/${image.top5.expected.length}`,
    image.passed ? 'ok' : 'FAIL',
  ];
}

function beside(left: readonly string[], right: readonly string[]): string[] {
  const width = Math.max(...left.map(({ length }) => length));
  return left.map((line, row) => `${line.padEnd(width)}  ${right[row] ?? ''}`);
}

function toleranceLine(result: BackendResult, word: Wording): string {
  const { backend, comparison } = result;
  return `tolerance on ${backend.name}: ${word(toleranceWords(result))}; ${smallestSentence(comparison, word)}`;
}

function jumpLines(results: readonly BackendResult[]): string[] {
  return results.flatMap((result) => {
    const words = jumpWords(result);
    if (words === null) return [];
    return [words.headline, `  expected  ${words.expected}`, `  found     ${words.found}`];
  });
}

/** The number in front also keeps a name from the file away from the start of a line. */
function layerTable(results: readonly BackendResult[]): string[] {
  const layered = layeredResults(results);
  if (layered.length === 0) return [];
  const header = ['#', 'layer', 'shape', ...layered.map(({ backend }) => backend.name), ''];
  const rows = layerRows(layered).map((row, index) => [String(index + 1), ...layerCells(row)]);
  const unmatched = new Set(layered.flatMap(({ layers }) => layers.unmatched));
  return [
    ...alignColumns([header, ...rows]),
    ...(unmatched.size === 0
      ? []
      : [`not compared, the model has no such layer: ${[...unmatched].join(', ')}`]),
  ];
}

function layerCells({ layer, shape, cells, jumpsOn }: LayerRow): string[] {
  return [
    layer,
    shape.join('x'),
    ...cells.map((cell) => (cell === undefined ? '-' : exponent(cell.relativeError))),
    jumpsOn.length === 0 ? '' : `<- jumps on ${jumpsOn.join(', ')}`,
  ];
}

function diagnosisLines({ cause, attempts, hints }: Diagnosis): string[] {
  if (cause !== null) return [causeSentence(cause)];
  const { nearest, total } = nearestAttempts(attempts);
  const rows = nearest.map(({ description, error }) => [`  ${description}`, exponent(error)]);
  const tried = rows.length === 0 ? [] : [triedWords(nearest.length, total), ...alignColumns(rows)];
  return ['No usual suspect closes the gap.', ...hints, ...tried];
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
