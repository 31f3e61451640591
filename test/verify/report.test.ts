import fc from 'fast-check';
import { marked } from 'marked';
import { describe, expect, test } from 'vitest';
import { printable } from '../../src/base/printable.js';
import { escapeMarkup } from '../../src/verify/report/escape.js';
import { formatReport, REPORT_FORMATS, verdict } from '../../src/verify/report/format-report.js';
import { exact, roundedUp } from '../../src/verify/report/words.js';
import type { Verification } from '../../src/verify/verification.js';
import {
  CAUSE,
  HOSTILE,
  layerReport,
  NO_CAUSE,
  noise,
  verification,
} from '../helpers/report-fixtures.js';
import { drawSeed } from '../helpers/seed.js';
import { type HTMLNode, junitErrors, parseHTML, xmlElements } from './report-parse.js';

fc.configureGlobal({ seed: drawSeed('report.test.ts') });

/** ‖(2, 4, 4, 8)‖ = 10, and only image 1 is off: by 1 in its last logit, so ‖Δ‖/‖ref‖ = 0.1. */
const OFF_BY_ONE = {
  images: 3,
  numClasses: 4,
  logits: [2, 4, 4, 8, 2, 4, 4, 8, 2, 4, 4, 8],
  errors: {
    wasm: (image: number, index: number) => (image === 1 && index === 3 ? -1 : 0),
    webgpu: () => 0,
  },
} as const;

const LAYERS = layerReport(
  { conv1: 1e-7, maxpool1: 1e-6, 'inception3a.branch1': 1e-1, inception3a: 1, fc: NaN },
  'inception3a.branch1',
  ['conv1.bn'],
);

const FAILING = verification({ ...OFF_BY_ONE, diagnosis: CAUSE, layers: { wasm: LAYERS } });
const PUZZLING = verification({ ...OFF_BY_ONE, diagnosis: NO_CAUSE, layers: { wasm: LAYERS } });
const BROKEN = verification({ errors: { wasm: () => NaN } });
const HOSTILE_NAMES = verification({
  name: HOSTILE,
  errors: { wasm: noise(1) },
  layers: {
    wasm: layerReport({ [HOSTILE]: 1e-6, [`${HOSTILE}2`]: NaN }, `${HOSTILE}2`, [HOSTILE]),
  },
  diagnosis: {
    cause: null,
    attempts: [{ id: 'x', description: HOSTILE, error: 1 }],
    hints: [HOSTILE],
  },
});
const LARGE = verification({
  images: 1000,
  numClasses: 1000,
  errors: {
    wasm: noise(1e-5),
    webgpu: noise(1e-2),
    cuda: noise(1e-3),
    tensorflow: noise(1e-5),
    cpu: noise(1e-5),
  },
});

const ALL: readonly (readonly [string, Verification])[] = [
  ['passing', verification({ layers: { wasm: layerReport({ conv1: 0, fc: 1e-7 }) } })],
  ['failing, the cause known', FAILING],
  ['failing, the cause unknown', PUZZLING],
  ['no numbers at all', BROKEN],
  ['hostile names', HOSTILE_NAMES],
  ['no layer in common', verification({ layers: { wasm: layerReport({}, null, ['x']) } })],
  ['large', LARGE],
];

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

describe('JUnit', () => {
  test.each(ALL)('%s: is valid, and counts right', async (_, made) => {
    const xml = formatReport(made, 'junit');
    expect(await junitErrors(xml)).toEqual([]);
    const suites = xmlElements(xml, 'testsuite');
    expect(suites.map((suite) => suite.getAttribute('name'))).toEqual(
      made.results.map(({ backend }) => backend.name),
    );
    for (const element of [...suites, ...xmlElements(xml, 'testsuites')]) {
      const count = (name: string) => String(element.getElementsByTagName(name).length);
      expect(element.getAttribute('tests')).toBe(count('testcase'));
      expect(element.getAttribute('failures')).toBe(count('failure'));
      expect(element.getAttribute('skipped') ?? count('skipped')).toBe(count('skipped'));
    }
    expect(xmlElements(xml, 'failure').length > 0).toBe(!made.passed);
  });

  test('the schema refuses what is none', async () => {
    expect(await junitErrors('<testsuites><testsuite name="x"/></testsuites>')).not.toEqual([]);
    expect(await junitErrors('<testsuites>')).not.toEqual([]);
  });

  test('fails the images and the first layer that are to blame, and no other', () => {
    const outcomes = xmlElements(formatReport(FAILING, 'junit'), 'testcase').map((element) => {
      const [child] = Array.from(element.childNodes).filter(({ nodeType }) => nodeType === 1);
      return [element.getAttribute('classname'), element.getAttribute('name'), child?.nodeName];
    });
    expect(outcomes).toEqual([
      ['wasm.images', 'image 0', 'system-out'],
      ['wasm.images', 'image 1', 'failure'],
      ['wasm.images', 'image 2', 'system-out'],
      ['wasm.layers', 'conv1', 'system-out'],
      ['wasm.layers', 'maxpool1', 'system-out'],
      ['wasm.layers', 'inception3a.branch1', 'failure'],
      ['wasm.layers', 'inception3a', 'skipped'],
      ['wasm.layers', 'fc', 'skipped'],
      ['webgpu.images', 'image 0', 'system-out'],
      ['webgpu.images', 'image 1', 'system-out'],
      ['webgpu.images', 'image 2', 'system-out'],
    ]);
  });

  test('never fails a layer where the images pass', () => {
    const layers = { wasm: layerReport({ conv1: 1e-7, fc: 1 }, 'fc') };
    expect(xmlElements(formatReport(verification({ layers }), 'junit'), 'failure')).toEqual([]);
  });

  test('gives the time in seconds, the environment, and the cause', () => {
    const xml = formatReport(FAILING, 'junit');
    expect(xmlElements(xml, 'testcase')[0]?.getAttribute('time')).toBe('0.115');
    expect(xmlElements(xml, 'testsuite')[0]?.getAttribute('time')).toBe('0.344');
    const values = xmlElements(xml, 'property').map((each) => each.getAttribute('value'));
    expect(values.join('\n')).toMatch(/torch 2\.13\.0[\s\S]*SwiftShader Device/);
    const output = xmlElements(xml, 'system-out').find(
      ({ parentNode }) => parentNode?.nodeName === 'testsuite',
    );
    expect(output?.textContent).toContain('transform_input was on in PyTorch');
  });

  test('keeps hostile names as names', () => {
    const names = xmlElements(formatReport(HOSTILE_NAMES, 'junit'), 'testcase').map((each) =>
      each.getAttribute('name'),
    );
    expect(names).toContain(printable(HOSTILE));
  });
});

/** The page of a verification, made and parsed once: those of many images take long. */
const pages = new Map<Verification, ReturnType<typeof parseHTML> & { readonly html: string }>();
function pageOf(made: Verification) {
  const known = pages.get(made);
  if (known !== undefined) return known;
  const html = formatReport(made, 'html');
  const page = { html, ...parseHTML(html) };
  pages.set(made, page);
  return page;
}

describe('HTML', () => {
  test.each(ALL)('%s: is a whole, valid page that needs nothing else', (_, made) => {
    const { html, errors, elements } = pageOf(made);
    expect(errors).toEqual([]);
    const tags = new Set(elements.map(({ tag }) => tag));
    for (const tag of ['script', 'link', 'img', 'iframe', 'object', 'a', 'base', 'form', 'use']) {
      expect(tags).not.toContain(tag);
    }
    expect(html).not.toMatch(/url\(|@import|https?:/);
    expect(Buffer.byteLength(html)).toBeLessThan(1e6);
    const names = elements.flatMap(({ attributes }) => [...attributes.keys()]);
    expect(names.filter((name) => /^on|href|src/.test(name))).toEqual([]);
  });

  test.each(ALL)('%s: can be read without seeing it', (_, made) => {
    const { elements } = pageOf(made);
    const of = (tag: string) => elements.filter((element) => element.tag === tag);
    expect(of('html')[0]?.attributes.get('lang')).toBe('en');
    expect(of('title')[0]?.text).toMatch(made.passed ? /^PASS/ : /^FAIL/);
    expect(of('h1')).toHaveLength(1);
    const ids = elements.flatMap(({ attributes }) => attributes.get('id') ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    const references = elements.flatMap(
      ({ attributes }) => attributes.get('aria-labelledby')?.split(' ') ?? [],
    );
    expect(references.length).toBeGreaterThan(2);
    for (const reference of references) expect(ids).toContain(reference);
    for (const { attributes } of of('svg')) {
      expect(attributes.get('aria-hidden') ?? attributes.get('aria-labelledby')).toBeTruthy();
    }
    for (const { attributes } of of('th')) expect(attributes.get('scope')).toBeTruthy();
  });

  test('says the verdict, the cause and the first jump in words', () => {
    const { elements } = pageOf(FAILING);
    const main = elements.find(({ tag }) => tag === 'main')?.text ?? '';
    expect(main).toContain('✗ FAIL');
    expect(main).toContain('transform_input was on in PyTorch.');
    expect(main).toContain('falls from 3.20e+0 to 1.40e-5');
    expect(main).toContain('first jump: inception3a.branch1');
    expect(main).toMatch(/wasm✗ FAIL[\s\S]*webgpu✓ PASS/);
  });

  test('shows the logits of both sides', () => {
    const { elements } = pageOf(FAILING);
    const tables = elements.filter(({ tag }) => tag === 'table').map(({ text }) => text);
    // Image 1: PyTorch's 8 at class 3 became 7 on wasm, and stayed on webgpu.
    expect(tables.filter((text) => text.includes('38.0000037.0000038.00000'))).toHaveLength(1);
  });

  test('draws each layer where a logarithmic scale has it', () => {
    const { elements } = pageOf(FAILING);
    const heights = markers(elements);
    const decade = (heights.get('conv1') as number) - (heights.get('maxpool1') as number);
    expect(decade).toBeGreaterThan(5);
    const fromThere = (heights.get('maxpool1') as number) - 5 * decade;
    expect(heights.get('inception3a.branch1')).toBeCloseTo(fromThere, -0.5);
    expect(heights.get('inception3a')).toBeCloseTo(fromThere - decade, -0.5);
    const tick = elements.find(({ tag, text }) => tag === 'text' && text === '10−6');
    expect(Number(tick?.attributes.get('y')) - 4).toBeCloseTo(
      heights.get('maxpool1') as number,
      -0.5,
    );
    const frame = elements.find(
      ({ tag, attributes }) => tag === 'rect' && attributes.get('class') === 'frame',
    );
    const [top, height] = ['y', 'height'].map((name) => Number(frame?.attributes.get(name))) as [
      number,
      number,
    ];
    for (const y of heights.values()) expect(y - top).toBeGreaterThan(0);
    for (const y of heights.values()) expect(y - top).toBeLessThanOrEqual(height);
    // What is no number has a row of its own above all the others.
    expect(heights.get('fc')).toBeLessThan((heights.get('inception3a') as number) - 5);
  });

  test('draws a logit of a failing image as a cross, others as dots, and not too many', () => {
    const drawn = (made: Verification, name: string) =>
      pageOf(made)
        .elements.filter(({ attributes }) => attributes.get('class') === name)
        .map(({ attributes }) => (attributes.get('d') ?? '').split('M').length - 1);
    // A square and a strip on each of two backends; 4 classes an image, 1 of 3 images fails on wasm.
    expect(drawn(FAILING, 'crosses')).toEqual([4, 4, 0, 0]);
    expect(drawn(FAILING, 'dots')).toEqual([8, 8, 12, 12]);
    const [dots, crosses] = [drawn(LARGE, 'dots'), drawn(LARGE, 'crosses')];
    for (const i of dots.keys()) expect((dots[i] ?? 0) + (crosses[i] ?? 0)).toBe(1500);
  });

  test('keeps hostile names as text', () => {
    const { elements } = pageOf(HOSTILE_NAMES);
    const title = elements.find(({ tag }) => tag === 'title')?.text;
    const name = printable(HOSTILE);
    expect(title).toBe(`FAIL: ${name} against ${name}`);
    expect(elements.some(({ tag, text }) => tag === 'th' && text === name)).toBe(true);
  });
});

/** The height of each layer's first marker, by the layer's name. */
function markers(elements: readonly HTMLNode[]): Map<string, number> {
  const titled = elements.filter(({ tag, attributes }) => tag === 'path' && attributes.get('d'));
  return new Map(
    titled.flatMap(({ attributes, text }) => {
      const [, layer] = /^(\S+) on wasm: /.exec(text) ?? [];
      const [, y] = /^M\S+ (\S+)a/.exec(attributes.get('d') ?? '') ?? [];
      return layer === undefined || y === undefined ? [] : [[layer, Number(y)] as const];
    }),
  );
}

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
