import fc from 'fast-check';
import { marked } from 'marked';
import { describe, expect, test } from 'vitest';
import { printable } from '../../src/base/printable.js';
import { escapeMarkup } from '../../src/verify/report/escape.js';
import { formatReport, REPORT_FORMATS, verdict } from '../../src/verify/report/format-report.js';
import { exact, roundedUp } from '../../src/verify/report/words.js';
import type { Verification } from '../../src/verify/verification.js';
import { HOSTILE, noise, verification } from '../helpers/report-fixtures.js';
import { drawSeed } from '../helpers/seed.js';
import { parseHTML } from './report-parse.js';
import { ALL, BROKEN, FAILING, HOSTILE_NAMES, PUZZLING } from './reports.js';

fc.configureGlobal({ seed: drawSeed('report.test.ts') });

describe('the verdict', () => {
  test('names the backends, the images and the tolerance', () => {
    expect(verdict(verification({ errors: { wasm: noise(1e-5), webgpu: noise(1e-5) } }))).toBe(
      'parity holds on wasm, webgpu: 4 images within 5.00e-5 on ‖Δ‖/‖ref‖',
    );
  });

  test('names the images that fail, and the cause', () => {
    expect(verdict(FAILING)).toBe(
      'parity fails on wasm: image 1 of 3 not within 5.00e-5 on ‖Δ‖/‖ref‖; the worst ‖Δ‖/‖ref‖ is 1.00e-1; likely cause: transform_input was on in PyTorch',
    );
  });

  test('keeps to one sentence however many images fail', () => {
    const many = verification({ images: 1000, errors: { wasm: noise(1) } });
    expect(verdict(many)).toContain('images 0, 1, 2, 3, 4, 5, 6, 7 and 992 more of 1000');
  });
});

test('a tolerance that is said to pass does pass', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-300, max: 1e300, noNaN: true }), (value) => {
      const shown = Number(roundedUp(value));
      expect(shown).toBeGreaterThanOrEqual(value);
      expect(shown).toBeLessThan(value * 1.0101);
      expect(roundedUp(value)).toMatch(/^\d\.\d\de[+-]\d+$/);
    }),
  );
  expect(roundedUp(9.991e-6)).toBe('1.00e-5');
  expect(roundedUp(0)).toBe('0');
});

test('what XML cannot hold never gets into it', () => {
  expect(escapeMarkup('a\0\ud800\ufffe\u{1f600}\n')).toBe('a\ufffd\ufffd\ufffd\u{1f600}\n');
});

test('a bound is shown with the digits that were asked for', () => {
  expect([exact(5e-5), exact(2.2844e-5), exact(0)]).toEqual(['5.00e-5', '2.2844e-5', '0']);
});

describe('the table', () => {
  test('shows the numbers that one gets by hand', () => {
    const table = formatReport(FAILING, 'table');
    const cells = table
      .split('\n')
      .find((line) => line.startsWith('1 '))
      ?.split(/ {2,}/);
    const wasm = ['1.00e-1', '1.00e+0', '3', '4/4', 'FAIL'];
    expect(cells).toEqual(['1', ...wasm, '0', '0', '3', '4/4', 'ok']);
    expect(table).toContain('smallest that would pass: `rtol: 1.00e-1` or `atol: 1.00e+0`');
    expect(table).toContain(
      'Likely cause: transform_input was on in PyTorch (error 3.20e+0 -> 1.40e-5). Convert again with --transform-input.',
    );
    expect(table.split('\n').at(-1)).toBe(`FAIL: ${verdict(FAILING)}`);
  });

  test('names the first jump with both sides', () => {
    const lines = formatReport(FAILING, 'table').split('\n');
    const at = lines.findIndex((line) => line.startsWith('first layer whose error jumps on wasm'));
    expect(lines[at]).toMatch(/: inception3a\.branch1, .* 1\.00e-1$/);
    expect(lines[at + 1]).toMatch(
      /expected {2}min 0\.0000 {2}max 7\.2500 {2}mean 0\.56250 {2}std 1\.1250/,
    );
    expect(lines[at + 2]).toMatch(
      /found {5}min 0\.0000 {2}max 7\.5000 {2}mean 0\.68750 {2}std 1\.3750/,
    );
  });

  test('shows every layer when asked to, and when no cause is known', () => {
    const row = /^2 +maxpool1 +4x64x56x56 +1\.00e-6$/m;
    expect(formatReport(FAILING, 'table')).not.toMatch(row);
    expect(formatReport(FAILING, 'table', { layers: true })).toMatch(row);
    const puzzling = formatReport(PUZZLING, 'table');
    expect(puzzling).toMatch(row);
    expect(puzzling).toMatch(/^ +the input's channels swapped \(BGR\) +7\.31e-1$/m);
    expect(puzzling).toMatch(/^ +BatchNorm with an epsilon of 1e-5 +NaN$/m);
    expect(puzzling).toContain('no such layer: conv1.bn');
  });

  test('puts backends side by side while the lines stay readable', () => {
    const small = noise(1e-6);
    const errors = { wasm: small, webgpu: small, cuda: small, tensorflow: small, cpu: small };
    const lines = formatReport(verification({ errors }), 'table').split('\n');
    const rows = lines.filter((line) => /^3 /.test(line));
    expect(rows.map((row) => row.match(/ (ok|FAIL)/g)?.length)).toEqual([2, 2, 1]);
    for (const row of rows) expect(row.length).toBeLessThanOrEqual(100);
    const heads = lines.filter((line) => /^ +(wasm|cuda|cpu)/.test(line));
    expect(heads.join(' ').match(/\w+/g)).toEqual(Object.keys(errors));
  });

  test('tells where top-1 agrees by luck', () => {
    // The two best logits are 0.25 apart, the error is 0.5 and lifts both.
    const lucky = verification({
      images: 1,
      numClasses: 3,
      logits: [1, 4, 4.25],
      errors: { wasm: () => 0.5 },
      tolerance: { rtol: 1 },
    });
    expect(formatReport(lucky, 'table')).toContain(
      "top-1 of image 0 agrees on wasm by luck: PyTorch's two best logits are 2.50e-1 apart, no more than the error of 5.00e-1",
    );
    expect(formatReport(FAILING, 'table')).not.toContain('by luck');
  });

  test('knows when no tolerance would pass', () => {
    expect(formatReport(BROKEN, 'table')).toContain('no tolerance would pass');
    const swapped = verification({
      images: 1,
      numClasses: 2,
      logits: [1, 2],
      errors: { wasm: (_, index) => (index === 0 ? 2 : 0) },
      tolerance: { top1: true, rtol: 10 },
    });
    expect(swapped.passed).toBe(false);
    expect(formatReport(swapped, 'table')).toMatch(
      /0 instead of 1.*FAIL[\s\S]*no tolerance would pass/,
    );
  });
});

describe('JSON', () => {
  test.each(ALL)('%s: is one line, without the logits', (_, made) => {
    const json = formatReport(made, 'json', { warnings: ['careful'] });
    expect(json).not.toContain('\n');
    expect(json).not.toContain('"logits"');
    const report = JSON.parse(json);
    expect(report).toMatchObject({ format: 1, passed: made.passed, warnings: ['careful'] });
    expect(report.model).toBe(made.model);
    expect(report.results).toHaveLength(made.results.length);
  });

  test('keeps every digit', () => {
    const [result] = JSON.parse(formatReport(FAILING, 'json')).results;
    expect(result.comparison).toEqual(FAILING.results[0]?.comparison);
    expect(result.backend).toEqual(FAILING.results[0]?.backend);
  });

  test('what is no number is null', () => {
    const [result] = JSON.parse(formatReport(BROKEN, 'json')).results;
    expect(result.comparison.required).toEqual({ rtol: null, atol: null });
    expect(JSON.parse(formatReport(PUZZLING, 'json')).diagnosis.attempts[1].error).toBeNull();
  });
});

describe('Markdown', () => {
  const render = (made: Verification) =>
    parseHTML(marked.parse(formatReport(made, 'markdown'), { gfm: true, async: false }), true);

  test.each(ALL)('%s: becomes headings, tables and details, and nothing else', (_, made) => {
    const { errors, elements } = render(made);
    expect(errors).toEqual([]);
    const allowed = 'h2 p table thead tbody tr th td ul li details summary blockquote strong'.split(
      ' ',
    );
    expect(new Set(elements.map(({ tag }) => tag))).toSatisfy((tags: Set<string>) =>
      [...tags].every((tag) => allowed.includes(tag)),
    );
    // GitHub takes no more than a megabyte for the summary of a step.
    expect(Buffer.byteLength(formatReport(made, 'markdown'))).toBeLessThan(2 ** 20);
  });

  test('shows the numbers that one gets by hand', () => {
    const rows = render(FAILING).elements.filter(({ tag }) => tag === 'tr');
    const texts = rows.map(({ text }) => text.trim().split(/\n/));
    expect(texts).toContainEqual(['1', 'wasm', '1.00e-1', '1.00e+0', '3', '4/4', '❌ FAIL']);
    expect(texts).toContainEqual(['1', 'webgpu', '0', '0', '3', '4/4', '✅ ok']);
    expect(texts).toContainEqual(['maxpool1', '4×64×56×56', '1.00e-6']);
  });

  test('keeps hostile names as text, in one cell', () => {
    const cells = render(HOSTILE_NAMES).elements.filter(({ tag }) => tag === 'td');
    expect(cells.map(({ text }) => text)).toContain(printable(HOSTILE));
  });
});

test.each(REPORT_FORMATS)('%s: hostile names bring no tag and no control character', (format) => {
  const report = formatReport(HOSTILE_NAMES, format);
  expect(report).toContain('alert');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
  expect(report).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/);
  expect(report).not.toMatch(/^\s*::/m);
  if (format === 'table' || format === 'json') return;
  expect(report).not.toMatch(/<script|<\/script|\u202e|\ud800/iu);
});
