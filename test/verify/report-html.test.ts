import { describe, expect, test } from 'vitest';
import { printable } from '../../src/base/printable.js';
import { formatReport } from '../../src/verify/report/format-report.js';
import type { Verification } from '../../src/verify/verification.js';
import { HOSTILE } from '../helpers/report-fixtures.js';
import { type HTMLNode, parseHTML } from './report-parse.js';
import { ALL, FAILING, HOSTILE_NAMES, LARGE } from './reports.js';

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
