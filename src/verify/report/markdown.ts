import type { Diagnosis } from '../diagnosis.js';
import type { BackendResult, Verification } from '../verification.js';
import { escapeMarkdown as text } from './escape.js';
import {
  agreement,
  chooseImages,
  type LayerRow,
  layeredResults,
  layerRows,
  nearestAttempts,
} from './facts.js';
import {
  asOptions,
  backendFacts,
  causeSentence,
  environment,
  exponent,
  jumpWords,
  luckySentences,
  sentence,
  smallestSentence,
  toleranceWords,
  top1Words,
  verdict,
  type Wording,
} from './words.js';

/** GitHub takes a megabyte for the summary of a step; this many rows stay far below. */
const MAX_IMAGES = 200;

/** GitHub-flavoured Markdown, for a pull request's comment or the summary of a job. */
export function formatMarkdown(
  verification: Verification,
  {
    layers = false,
    warnings = [],
    word = asOptions,
  }: { layers?: boolean; warnings?: readonly string[]; word?: Wording } = {},
): string {
  const { results, passed, diagnosis } = verification;
  const blocks = [
    [`## ${passed ? '✅ PASS' : '❌ FAIL'}: parity with PyTorch`],
    [text(sentence(verdict(verification)))],
    diagnosis === null ? [] : diagnosisLines(diagnosis),
    backendTable(results, word),
    imageTable(verification),
    luckySentences(results).map((each) => `- ⚠️ ${text(sentence(each))}`),
    warnings.map((each) => `- ⚠️ ${text(sentence(each))}`),
    jumpLines(results),
    layerDetails(results, layers),
    details('Environment', table(['', ''], environment(verification))),
  ];
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

function backendTable(results: readonly BackendResult[], word: Wording): string[] {
  const rows = results.map((result) => [
    result.backend.name,
    result.comparison.passed ? '✅ pass' : '❌ fail',
    backendFacts(result),
    word(toleranceWords(result)),
    smallestSentence(result.comparison, word).replace('smallest that would pass: ', ''),
  ]);
  return table(['backend', 'verdict', 'ran on', 'tolerance', 'smallest that would pass'], rows);
}

/** A row for each image and backend. */
function imageTable(verification: Verification): string[] {
  const { results } = verification;
  const header = ['image', 'backend', '‖Δ‖/‖ref‖', 'max |Δ|', 'top-1', 'top-5', 'verdict'];
  const chosen = chooseImages(verification, MAX_IMAGES);
  const total = results[0]?.comparison.images.length ?? 0;
  const rows = chosen.flatMap((image) =>
    results.map((result) => [String(image), result.backend.name, ...imageCells(result, image)]),
  );
  return [
    ...table(header, rows),
    ...(chosen.length < total
      ? ['', `${chosen.length} of ${total} images, those that fail before the others.`]
      : []),
  ];
}

function imageCells({ comparison }: BackendResult, index: number): string[] {
  const image = comparison.images.find((each) => each.image === index);
  if (image === undefined) return [];
  return [
    exponent(image.relativeError),
    exponent(image.maxAbsoluteError),
    top1Words(image),
    `${agreement(image)}/${image.top5.expected.length}`,
    image.passed ? '✅ ok' : '❌ FAIL',
  ];
}

function jumpLines(results: readonly BackendResult[]): string[] {
  return results.flatMap((result) => {
    const words = jumpWords(result);
    if (words === null) return [];
    const { headline, expected, found } = words;
    return [
      `- ${text(sentence(headline))}`,
      `  - expected ${text(expected)}`,
      `  - found ${text(found)}`,
    ];
  });
}

function diagnosisLines({ cause, attempts, hints }: Diagnosis): string[] {
  if (cause !== null) {
    const words = causeSentence(cause).replace(/^Likely cause: /, '');
    return [`> **Likely cause:** ${text(words)}`];
  }
  const { nearest, total } = nearestAttempts(attempts);
  const rows = nearest.map(({ description, error }) => [description, exponent(error)]);
  const lines = [
    '**No usual suspect closes the gap.**',
    '',
    ...hints.map((hint) => `- ${text(hint)}`),
  ];
  if (rows.length === 0) return lines;
  const title =
    total > rows.length
      ? `What was tried, the nearest ${rows.length} of ${total}`
      : 'What was tried';
  return [...lines, '', ...details(title, table(['tried', 'error left'], rows))];
}

function layerDetails(results: readonly BackendResult[], open: boolean): string[] {
  const layered = layeredResults(results);
  if (layered.length === 0) return [];
  const header = ['layer', 'shape', ...layered.map(({ backend }) => backend.name), ''];
  const rows = layerRows(layered).map(layerCells);
  return details(`Error of each layer (${rows.length})`, table(header, rows), open);
}

function layerCells({ layer, shape, cells, jumpsOn }: LayerRow): string[] {
  return [
    layer,
    shape.join('×'),
    ...cells.map((cell) => (cell === undefined ? '–' : exponent(cell.relativeError))),
    jumpsOn.length === 0 ? '' : `← jumps on ${jumpsOn.join(', ')}`,
  ];
}

function details(summary: string, body: readonly string[], open = false): string[] {
  const tag = open ? '<details open>' : '<details>';
  return [`${tag}<summary>${summary}</summary>`, '', ...body, '', '</details>'];
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map(text).join(' | ')} |`;
  return [line(header), `|${' --- |'.repeat(header.length)}`, ...rows.map(line)];
}
