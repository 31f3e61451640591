import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { OpaqueObject } from '../../src/checkpoint/pickle/inert.js';
import { unpickle } from '../../src/checkpoint/pickle/unpickle.js';
import { dict, get, int, type Part, pickle, put, raw, text } from '../helpers/pickle-writer.js';

type Tagged = null | boolean | string | { readonly [type: string]: unknown };

interface Row {
  readonly protocol: number;
  readonly pickle: string;
  readonly value: Tagged;
}

/** Made by CPython; test/hostile/make-pickles.py says how. */
const ROWS = readFileSync(new URL('./pickles.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line): Row => JSON.parse(line));

/** The type of an object that stands for a call, as protocols before 3 or 4 write some values. */
const calls = (value: unknown, name: string): readonly unknown[] | undefined =>
  value instanceof OpaqueObject && value.global.endsWith(name) ? value.args : undefined;

const EXPECTATIONS: Record<string, (actual: unknown, content: never) => void> = {
  int: (actual, content: string) => expect(actual).toBe(Number(BigInt(content))),
  float: (actual, content: string) =>
    expect(actual).toBe(Buffer.from(content, 'hex').readDoubleBE()),
  bytes: (actual, content: string) => {
    const latin1 = calls(actual, '.encode')?.[0] ?? (calls(actual, '.bytes') && '');
    const bytes = typeof latin1 === 'string' ? Buffer.from(latin1, 'latin1') : actual;
    expect(Buffer.from(bytes as Uint8Array).toString('hex')).toBe(content);
  },
  list: expectItems,
  tuple: expectItems,
  set: (actual, content: Tagged[]) => expectSet(actual, content, '.set'),
  frozenset: (actual, content: Tagged[]) => expectSet(actual, content, '.frozenset'),
  dict: (actual, content: [Tagged, Tagged][]) => {
    expect(actual).toBeInstanceOf(Map);
    expectItems(
      [...(actual as Map<unknown, unknown>).keys()],
      content.map(([key]) => key) as never,
    );
    const values = [...(actual as Map<unknown, unknown>).values()];
    expectItems(values, content.map(([, value]) => value) as never);
  },
};

function expectItems(actual: unknown, content: readonly Tagged[]): void {
  expect(Array.isArray(actual)).toBe(true);
  const items = actual as unknown[];
  expect(items).toHaveLength(content.length);
  for (const [i, item] of items.entries()) expectValue(item, content[i] as Tagged);
}

/** Sets have no order in Python, but a pickle has. */
function expectSet(actual: unknown, content: Tagged[], name: string): void {
  const items = actual instanceof Set ? [...actual] : (calls(actual, name)?.[0] ?? []);
  const plain = content.map((item) =>
    typeof item === 'string' ? item : Number(BigInt((item as { int: string }).int)),
  );
  expect(new Set(items as unknown[])).toEqual(new Set(plain));
}

function expectValue(actual: unknown, expected: Tagged): void {
  if (expected === null || typeof expected !== 'object') return expect(actual).toBe(expected);
  const [[type, content]] = Object.entries(expected) as [[string, never]];
  EXPECTATIONS[type]?.(actual, content);
}

describe('values that CPython pickled', () => {
  test.each([1, 2, 3, 4, 5])('come out the same under protocol %i', (protocol) => {
    const rows = ROWS.filter((row) => row.protocol === protocol);
    expect(rows.length).toBeGreaterThan(30);
    for (const row of rows) {
      const bytes = new Uint8Array(Buffer.from(row.pickle, 'hex'));
      const result = unpickle(bytes);
      expectValue(result.value, row.value);
      expect(result.end).toBe(bytes.length);
      expect(result.protocol).toBe(protocol);
    }
  });

  test('come out the same from the middle of a file', () => {
    for (const row of ROWS.slice(0, 100)) {
      const alone = new Uint8Array(Buffer.from(row.pickle, 'hex'));
      const { value, end } = unpickle(raw('padding', alone, 'more'), 7);
      expect(end).toBe(alone.length + 7);
      expectValue(value, row.value);
    }
  });
});

describe('values that CPython would not write, but reads', () => {
  const value = (...parts: Part[]) => unpickle(pickle(...parts)).value;

  test.each([
    ['LONG1 without bytes', raw(0x8a, 0), 0],
    ['LONG1 of -1', raw(0x8a, 1, 0xff), -1],
    ['LONG1 of 255 with a sign byte', raw(0x8a, 2, 0xff, 0), 255],
    ['LONG1 of -2^63', raw(0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 0x80), -(2 ** 63)],
    ['LONG1 of 2^64', raw(0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1), 2 ** 64],
    ['LONG4 of 5', raw(0x8b, 1, 0, 0, 0, 5), 5],
    ['LONG4 of -5', raw(0x8b, 1, 0, 0, 0, 0xfb), -5],
    ['LONG of protocol 1', raw('L-12345678901234567890L\n'), Number(-12345678901234567890n)],
    ['INT of protocol 1', raw('I-7\n'), -7],
    ['INT of True', raw('I01\n'), true],
    ['INT of False', raw('I00\n'), false],
  ])('%s', (_, bytes, expected) => expect(value(bytes)).toBe(expected));

  test('a text keeps its byte order mark', () => {
    expect(value(text('\ufeffweight'))).toBe('\ufeffweight');
    expect(value(raw(0x8c, 4, '\xef\xbb\xbfa'))).toBe('\ufeffa');
  });

  test("Python 2's byte strings are read as UTF-8, as torch.load does", () => {
    expect(value(raw('U', 2, '\xc3\xa9'))).toBe('é');
    expect(value(raw('T', 2, 0, 0, 0, '\xc3\xa9'))).toBe('é');
  });

  test('a value may be named twice, dropped and taken out of the memo again', () => {
    expect(value(text('a'), put(3), '2', 0x86, put(4), '0', get(4), get(3), 0x86)).toEqual([
      ['a', 'a'],
      'a',
    ]);
  });

  test('marks nest, and can be dropped with all above them', () => {
    expect(value(int(1), '((', int(2), 't', int(3), '1', 0x85)).toEqual([1]);
  });

  test('MEMOIZE counts what the memo holds', () => {
    expect(value('K', 7, put(5), 'K', 8, 0x94, '0', 'h', 1, 0x86)).toEqual([7, 8]);
  });

  test('a dict keeps a key that would be special in JavaScript as a mere key', () => {
    const found = value(dict(text('__proto__'), int(1), text('constructor'), int(2)));
    expect([...(found as Map<string, number>)]).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
    ]);
  });
});
