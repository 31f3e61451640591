import type { BackendInfo } from '../../tfjs/backends.js';
import type { ImageComparison } from '../compare.js';
import type { Diagnosis } from '../diagnosis.js';
import type { BackendResult, Verification } from '../index.js';
import type { LayerComparison, Statistics } from '../layers.js';
import { bounds, exponent, verdict } from './words.js';

/** The table that `pth2tfjs verify` prints: for people, on a terminal. */
export function formatTable(
  verification: Verification,
  options: { layers?: boolean } = {},
): string {
  const { model, golden, results, passed, diagnosis } = verification;
  const withLayers = options.layers || (diagnosis !== null && diagnosis.cause === null);
  const blocks = [
    [`${model} against ${golden}`],
    ...results.map(backendBlock),
    luckyLines(results),
    jumpLines(results),
    withLayers ? layerTable(results) : [],
    diagnosis === null ? [] : diagnosisLines(diagnosis),
    [`${passed ? 'PASS' : 'FAIL'}: ${verdict(verification)}`],
  ];
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

function backendBlock({ backend, comparison, millisecondsPerImage }: BackendResult): string[] {
  const header = ['image', 'max |Δ|', '‖Δ‖/‖ref‖', '1 − cosine', 'top-1', 'top-5', ''];
  const { required, tolerance } = comparison;
  return [
    `${backend.name}: ${describeBackend(backend)}, ${millisecondsPerImage.toFixed(0)} ms an image`,
    ...alignColumns([header, ...comparison.images.map(imageRow)]),
    `tolerance ${bounds(tolerance)}; smallest that would pass: --rtol ${exponent(required.rtol)} or --atol ${exponent(required.atol)}`,
  ];
}

/** What a backend ran on, in one line. */
export function describeBackend(backend: BackendInfo): string {
  const kinds = { gpu: 'GPU', 'software-gpu': 'software, no GPU', cpu: 'processor' };
  const versions = Object.entries(backend.versions).map(([name, version]) => `${name} ${version}`);
  const parts = [
    backend.device,
    ...(backend.driver === null ? [] : [backend.driver]),
    kinds[backend.hardware],
    backend.precision,
    ...versions,
  ];
  return parts.join(', ');
}

function imageRow({ image, top5, ...errors }: ImageComparison): string[] {
  const [expected, actual] = [top5.expected[0], top5.actual[0]];
  const agree = top5.expected.filter((index, rank) => index === top5.actual[rank]).length;
  return [
    String(image),
    exponent(errors.maxAbsoluteError),
    exponent(errors.relativeError),
    exponent(1 - errors.cosine),
    expected === actual ? String(expected) : `${actual} instead of ${expected}`,
    `${agree}/${top5.expected.length}`,
    errors.passed ? 'ok' : 'FAIL',
  ];
}

function luckyLines(results: readonly BackendResult[]): string[] {
  return results.flatMap(({ backend, comparison }) =>
    comparison.images
      .filter(({ luckyTop1 }) => luckyTop1)
      .map(
        ({ image, margin, maxAbsoluteError }) =>
          `top-1 of image ${image} agrees on ${backend.name} by luck: PyTorch's two best logits are ${exponent(margin)} apart, less than the error of ${exponent(maxAbsoluteError)}`,
      ),
  );
}

function jumpLines(results: readonly BackendResult[]): string[] {
  return results.flatMap(({ backend, layers }) => {
    const jump = layers?.layers.find(({ layer }) => layer === layers.firstJump);
    if (jump === undefined) return [];
    return [
      `first layer whose error jumps on ${backend.name}: ${jump.layer}, ‖Δ‖/‖ref‖ ${exponent(jump.relativeError)}`,
      `  expected  ${describeStatistics(jump.expected)}  [${jump.shape.join(', ')}]`,
      `  found     ${describeStatistics(jump.actual)}  [${(jump.actualShape ?? jump.shape).join(', ')}]`,
    ];
  });
}

function describeStatistics({ min, max, mean, std }: Statistics): string {
  const figures = Object.entries({ min, max, mean, std });
  return figures.map(([name, value]) => `${name} ${value.toPrecision(5)}`).join('  ');
}

function layerTable(results: readonly BackendResult[]): string[] {
  const columns = results.flatMap(({ backend, layers }) =>
    layers === null ? [] : [{ backend, layers }],
  );
  const [first] = columns;
  if (first === undefined) return [];
  const error = (layers: readonly LayerComparison[], name: string) => {
    const found = layers.find(({ layer }) => layer === name);
    return found === undefined ? '' : exponent(found.relativeError);
  };
  const rows = first.layers.layers.map(({ layer, shape }) => [
    layer,
    shape.join('x'),
    ...columns.map(({ layers }) => error(layers.layers, layer)),
    columns.some(({ layers }) => layers.firstJump === layer) ? '<- jumps' : '',
  ]);
  const header = ['layer', 'shape', ...columns.map(({ backend }) => backend.name), ''];
  const { unmatched } = first.layers;
  return [
    ...alignColumns([header, ...rows]),
    ...(unmatched.length === 0
      ? []
      : [`not compared, the model has no such layer: ${unmatched.join(', ')}`]),
  ];
}

function diagnosisLines({ cause, attempts, hints }: Diagnosis): string[] {
  if (cause !== null) {
    const gap = `error ${exponent(cause.errorBefore)} -> ${exponent(cause.errorAfter)}`;
    return [`Likely cause: ${cause.summary} (${gap}). ${cause.cure}`];
  }
  const rows = attempts.map(({ description, error }) => [`  ${description}`, exponent(error)]);
  return [
    'No usual suspect closes the gap. Tried, with the error that was left:',
    ...alignColumns(rows),
    ...hints,
  ];
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
