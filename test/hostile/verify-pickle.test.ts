import { describe, expect, test } from 'vitest';
import { isPth2tfjsError } from '../../src/base/errors.js';
import { MAX_OPCODES } from '../../src/checkpoint/pickle/pickle-cursor.js';
import { unpickle } from '../../src/checkpoint/pickle/unpickle.js';
import { verifyPickle } from '../../src/checkpoint/pickle/verify-pickle.js';
import {
  call,
  dict,
  float,
  get,
  global,
  int,
  ints,
  list,
  orderedDict,
  pickle,
  proto,
  put,
  raw,
  storageId,
  tensor,
  text,
  tuple,
} from '../helpers/pickle-writer.js';

describe('pickles that are refused', () => {
  const refusal = (bytes: Uint8Array): { code: string; offset: number; message: string } => {
    try {
      verifyPickle(bytes);
    } catch (error) {
      if (isPth2tfjsError(error)) return error as never;
      throw error;
    }
    return expect.fail('accepted');
  };

  test.each<[why: string, bytes: Uint8Array, code: string, offset: number]>([
    ['no bytes at all', raw(), 'truncated', 0],
    ['no STOP', raw(proto(2), 'N'), 'truncated', 3],
    ['an unknown opcode', pickle(0xff), 'corrupt', 2],
    ['a JavaScript line break', pickle('\n'), 'corrupt', 2],
    ['protocol 6', raw(proto(6), 'N.'), 'unsupported', 0],
    ['FLOAT', pickle('F1.5\n'), 'unsupported', 2],
    ['STRING', pickle("S'a'\n"), 'unsupported', 2],
    ['UNICODE', pickle('Va\n'), 'unsupported', 2],
    ['PUT', pickle('Np0\n'), 'unsupported', 3],
    ['GET', pickle('Ng0\n'), 'unsupported', 3],
    ['LIST', pickle('(l'), 'unsupported', 3],
    ['DICT', pickle('(d'), 'unsupported', 3],
    ['PERSID', pickle('P0\n'), 'unsupported', 2],
    ['INST', pickle('(icollections\nOrderedDict\n'), 'unsupported', 3],
    ['OBJ', pickle('(', global('collections', 'OrderedDict'), 'o'), 'unsupported', 28],
    ['NEWOBJ_EX', pickle(global('collections', 'OrderedDict'), ')}', 0x92), 'unsupported', 29],
    ['EXT1', pickle(0x82, 1), 'unsupported', 2],
    ['EXT2', pickle(0x83, 1, 0), 'unsupported', 2],
    ['EXT4', pickle(0x84, 1, 0, 0, 0), 'unsupported', 2],
    ['NEXT_BUFFER', pickle(0x97), 'unsupported', 2],
    ['READONLY_BUFFER', pickle('N', 0x98), 'unsupported', 3],
    ['STOP on an empty stack', pickle(), 'corrupt', 2],
    ['STOP above a mark', pickle('N('), 'corrupt', 4],
    ['POP on an empty stack', pickle('0N'), 'corrupt', 2],
    ['POP through a mark', pickle('N(0'), 'corrupt', 4],
    ['DUP on an empty stack', pickle('2'), 'corrupt', 2],
    ['DUP of a mark', pickle('N(2'), 'corrupt', 4],
    ['TUPLE1 on an empty stack', pickle(0x85), 'corrupt', 2],
    ['TUPLE2 with one value', pickle('N', 0x86), 'corrupt', 3],
    ['TUPLE3 across a mark', pickle('NN(N', 0x87), 'corrupt', 6],
    ['TUPLE without a mark', pickle('Nt'), 'corrupt', 3],
    ['APPENDS without a mark', pickle(']e'), 'corrupt', 3],
    ['SETITEMS without a mark', pickle('}u'), 'corrupt', 3],
    ['POP_MARK without a mark', pickle('1'), 'corrupt', 2],
    ['MEMOIZE on an empty stack', pickle(0x94), 'corrupt', 2],
    ['BINPUT on an empty stack', pickle('q', 0), 'corrupt', 2],
    ['a memo entry that was never made', pickle('h', 9), 'corrupt', 2],
    ['a far memo entry that was never made', pickle(get(0xffffffff)), 'corrupt', 2],
    ['a key without a value', pickle('}(', text('a'), 'u'), 'corrupt', 10],
    ['APPEND to a tuple', pickle(')Na'), 'corrupt', 4],
    ['APPENDS to a dict', pickle('}(Ne'), 'corrupt', 5],
    ['SETITEM on a list', pickle(']NNs'), 'corrupt', 5],
    ['ADDITEMS to a list', pickle('](N', 0x90), 'corrupt', 5],
    ['ADDITEMS to a frozenset', pickle('(', 0x91, '(N', 0x90), 'corrupt', 6],
    ['BUILD on a dict', pickle('}}b'), 'corrupt', 4],
    ['BUILD on a list', pickle(']}b'), 'corrupt', 4],
    ['BUILD on a set', pickle(0x8f, '}b'), 'corrupt', 4],
    ['BUILD on a frozenset', pickle('(', 0x91, '}b'), 'corrupt', 5],
    ['BUILD on a global', pickle(global('torch', 'Size'), '}b'), 'corrupt', 15],
    ['BUILD on a constant', pickle(global('torch', 'FloatStorage'), '}b'), 'corrupt', 23],
    ['BUILD on a tensor', pickle(tensor(), '}b'), 'corrupt', 3 + tensor().length],
    ['REDUCE of a constant', pickle(global('torch', 'FloatStorage'), ')R'), 'corrupt', 23],
    ['REDUCE of a text', pickle(text('eval'), ')R'), 'corrupt', 12],
    ['REDUCE of what a call made', pickle(orderedDict(), ')R'), 'corrupt', 31],
    ['REDUCE with a list', pickle(global('torch', 'Size'), ']R'), 'corrupt', 15],
    ['NEWOBJ of a constant', pickle(global('torch', 'Tensor'), ')', 0x81), 'corrupt', 17],
    ['NEWOBJ with a dict', pickle(global('torch', 'Size'), '}', 0x81), 'corrupt', 15],
    ['BINPERSID of a text', pickle(text('0'), 'Q'), 'corrupt', 8],
    ['STACK_GLOBAL of numbers', pickle(int(1), int(2), 0x93), 'corrupt', 12],
    ['STACK_GLOBAL of bytes', pickle('C\x01a', 'C\x01b', 0x93), 'corrupt', 8],
    ['an unlisted global', pickle('cos\nsystem\n'), 'unsafe-global', 2],
    ['an unlisted INST', pickle('(ios\nsystem\n'), 'unsafe-global', 3],
    ['a name with a blank', pickle('cmy module\nname\n'), 'unsafe-global', 2],
    ['a name without a module', pickle('c\nname\n'), 'unsafe-global', 2],
    ['a name that ends in a dot', pickle('cmodule\nname.\n'), 'unsafe-global', 2],
    [
      'a danger behind a harmless module',
      pickle('ctorch.serialization\nos.system\n'),
      'unsafe-global',
      2,
    ],
    [
      'getattr of a module',
      pickle('c__builtin__\ngetattr\n', text('os'), text('x'), 0x86, 'R'),
      'unsafe-global',
      37,
    ],
    [
      'a danger in what is cut short',
      raw(proto(2), 'cos\nsystem\n', 'X', 5, 0, 0, 0),
      'unsafe-global',
      2,
    ],
    ['text where an integer belongs', pickle('Iabc\n'), 'corrupt', 2],
    ['hexadecimal text', pickle('I0x10\n'), 'corrupt', 2],
    ['an integer of 41 digits', pickle(`L${'9'.repeat(41)}L\n`), 'corrupt', 2],
    ['an integer of 256 bytes', pickle(0x8b, 0, 1, 0, 0, new Uint8Array(256)), 'limit', 2],
    ['LONG4 with a negative length', pickle(0x8b, 0xff, 0xff, 0xff, 0xff), 'corrupt', 2],
    ['an endless line', pickle('c', 'a'.repeat(2000)), 'limit', 2],
    ['a line without an end', raw(proto(2), 'cos'), 'truncated', 2],
    ['a second line without an end', raw(proto(2), 'ctorch\nSi'), 'truncated', 2],
    ['a frame cut short', raw(proto(4), 0x95, 1, 2), 'truncated', 2],
    ['BINFLOAT cut short', raw(proto(2), 'G1234567'), 'truncated', 2],
    ['BININT cut short', raw(proto(2), 'J123'), 'truncated', 2],
    ['BININT2 cut short', raw(proto(2), 'M1'), 'truncated', 2],
    ['BININT1 cut short', raw(proto(2), 'K'), 'truncated', 2],
    ['BINUNICODE with too few bytes', raw(proto(2), 'X', 5, 0, 0, 0, 'abcd'), 'truncated', 2],
    ['BINUNICODE of 4 GB', pickle('X', 0xff, 0xff, 0xff, 0xff), 'truncated', 2],
    ['BINUNICODE8 of 2^64', pickle(0x8d, new Uint8Array(8).fill(255)), 'truncated', 2],
    ['BINBYTES of 2^31', pickle('B', 0, 0, 0, 0x80), 'truncated', 2],
    ['LONG1 with too few bytes', raw(proto(2), 0x8a, 10, 'abc'), 'truncated', 2],
  ])('%s', (_, bytes, code, offset) => {
    const error = refusal(bytes);
    expect({ code: error.code, offset: error.offset }).toEqual({ code, offset });
    expect(error.message).toContain(`byte ${offset}`);
  });

  test('at the offset in the file, when the pickle does not start it', () => {
    expect(() => verifyPickle(raw('0123456789', pickle('cos\nsystem\n')), 10)).toThrow(
      expect.objectContaining({ offset: 12, message: expect.stringContaining('os.system') }),
    );
  });

  test('STACK_GLOBAL, however its names reach the stack', () => {
    const [os, system] = [text('os'), text('system')];
    for (const bytes of [
      pickle(os, system, 0x93),
      pickle(os, put(1), '0', system, put(2), '0', get(1), get(2), 0x93),
      pickle(system, put(0), '0', os, 0x94, 'h', 0, 0x93),
      pickle(raw('U', 2, 'os'), raw(0x8c, 6, 'system'), 0x93),
    ]) {
      expect(refusal(bytes)).toMatchObject({
        code: 'unsafe-global',
        message: expect.stringContaining('os.system'),
      });
    }
  });

  test('a name that only becomes an allowed one when its bytes are read another way', () => {
    for (const prefix of ['\xef\xbb\xbf', '\xc0', '\x00']) {
      const bytes = pickle(`c${prefix}collections\nOrderedDict\n`, ')R');
      expect(() => unpickle(bytes)).toThrow(expect.objectContaining({ code: 'unsafe-global' }));
    }
  });

  test(`${MAX_OPCODES} opcodes and more`, () => {
    const many = new Uint8Array(MAX_OPCODES + 10).fill('N'.charCodeAt(0));
    expect(refusal(many).code).toBe('limit');
  });

  test('a list filled with too much at a time', () => {
    const refused = pickle('](', 'N'.repeat(60_000), 'e');
    expect(refusal(refused).code).toBe('limit');
  });

  test('sizes that are no integers, which JavaScript could not tell from integers', () => {
    for (const options of [
      { size: tuple(float(4)) },
      { size: ints(2, 2), stride: tuple(float(2), int(1)) },
      { size: list(int(4)) },
      { stride: list(int(1)) },
    ]) {
      expect(refusal(pickle(tensor(options))).code).toBe('corrupt');
    }
  });
});

describe('what was verified cannot change under the parser', () => {
  /** Marks every value of an unpickled tree that is neither inert data nor of this package. */
  const prototypes = (value: unknown, seen = new Set<unknown>()): Set<string> => {
    const names = new Set<string>();
    if (typeof value !== 'object' || value === null || seen.has(value)) return names;
    seen.add(value);
    names.add(Object.getPrototypeOf(value)?.constructor?.name ?? 'none');
    expect(Object.getPrototypeOf(value).constructor.prototype).toBe(Object.getPrototypeOf(value));
    const children = value instanceof Map ? [...value].flat() : Array.isArray(value) ? value : [];
    for (const child of children) for (const name of prototypes(child, seen)) names.add(name);
    return names;
  };

  test.each([
    ['an OrderedDict', raw(orderedDict(), dict(text('__proto__'), '}'), 'b')],
    ['a record', raw(call(global('argparse', 'Namespace')), dict(text('__proto__'), '}'), 'b')],
    ['a record by NEWOBJ', raw(global('argparse', 'Namespace'), ')', 0x81, dict(), 'b')],
    ['a plain dict', dict(text('__proto__'), dict(text('size'), int(3)))],
  ])('the state of %s sets no prototype', (_, bytes) => {
    const { value } = unpickle(pickle(list(bytes)));
    expect([...prototypes(value)].every((name) => /^(Array|Map|Ordered|Opaque)/.test(name))).toBe(
      true,
    );
  });

  test('a storage may be named by its id in the memo', () => {
    const id = raw(storageId(), put(1), '0');
    const { storages } = unpickle(pickle(id, list(get(1), 'Q', get(1), 'Q')));
    expect(storages).toHaveLength(1);
  });
});
