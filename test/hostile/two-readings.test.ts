import { describe, expect, test } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/read-checkpoint.js';
import { listTensors } from '../../src/checkpoint/state-dict/find-state-dict.js';
import { toFloat32 } from '../../src/checkpoint/tensor/float32.js';
import {
  call,
  dict,
  ELEMENTS,
  get,
  global,
  int,
  ints,
  legacyFile,
  OTHER_ELEMENTS,
  orderedDict,
  type Part,
  pickle,
  put,
  REBUILD,
  raw,
  storage,
  tensor,
  tensorArguments,
  text,
  tuple,
} from '../helpers/pickle-writer.js';
import { checkpointZip, concatenate, endRecord, zipParts } from '../helpers/zip-writer.js';
import { survey } from './survey.js';

/** Where another reader of the same bytes could come to other weights. */
describe('files made to read differently are refused, or read as PyTorch reads them', () => {
  const views = (key: string, offset: number) =>
    storage({ view: tuple(text(key), int(offset), int(2)) });
  const fromType = (args: Uint8Array, state: Part = 'N') =>
    call(
      global('torch._tensor', '_rebuild_from_type_v2'),
      REBUILD,
      global('torch', 'Tensor'),
      args,
      state,
    );
  const zip = (...parts: readonly Part[]) =>
    checkpointZip(pickle(...parts), { 0: ELEMENTS, 1: OTHER_ELEMENTS });
  const legacy = (...parts: readonly Part[]) =>
    legacyFile(pickle(...parts), { storages: [ELEMENTS] });
  const second = tensor({ storage: storage({ key: text('1') }) });
  /** A list of one size, which is put under 9 and can be appended to later. */
  const growing = (index: number, ...sizes: readonly number[]) =>
    raw(']', put(index), '(', ...sizes.map(int), 'e');

  /** Two whole archives' entries, and both their directories; the first lists [1, 2, 3, 4]. */
  const twoDirectories = () => {
    const entries = (data: Uint8Array) => [
      { name: 'archive/data.pkl', data: pickle(dict(text('w'), tensor())) },
      { name: 'archive/data/0', data },
      { name: 'archive/version', data: raw('3\n') },
    ];
    const first = zipParts(entries(ELEMENTS));
    const other = zipParts(entries(OTHER_ELEMENTS), first.body.length);
    const start = first.body.length + other.body.length;
    const body = concatenate(first.body, other.body, first.directory, other.directory);
    return { body, start, first: first.directory.length, other: other.directory.length };
  };
  const endInComment = () => {
    const { body, start, first, other } = twoDirectories();
    const hidden = endRecord(3, other, start + first, new Uint8Array(77)).slice(0, 22);
    return concatenate(body, endRecord(3, first, start, hidden));
  };
  const cased = () => {
    const elements = tensor({ storage: storage({ key: text('a') }) });
    return checkpointZip(pickle(dict(text('w'), elements)), { a: ELEMENTS, A: OTHER_ELEMENTS });
  };

  const one = [1, 2, 3, 4];
  const nine = [9, 8, 7, 6];
  test.each<[name: string, bytes: Uint8Array, expected: Record<string, readonly number[]>]>([
    [
      'a key that differs by a byte order mark',
      zip(dict(text('a'), tensor(), text('\ufeffa'), second)),
      { a: one, '\ufeffa': nine },
    ],
    [
      'a storage whose key differs by a byte order mark',
      checkpointZip(
        pickle(
          dict(
            text('a'),
            tensor(),
            text('b'),
            tensor({ storage: storage({ key: text('\ufeff0') }) }),
          ),
        ),
        { 0: ELEMENTS, '\ufeff0': OTHER_ELEMENTS },
      ),
      { a: one, b: nine },
    ],
    [
      'keys that differ by what is no UTF-8',
      zip(dict(text(raw('a\xff')), tensor(), text(raw('a\xfe')), second)),
      {},
    ],
    [
      'keys that differ by half a surrogate pair',
      zip(dict(text(raw('a\xed\xa0\x80')), tensor(), text(raw('a\xed\xa0\x81')), second)),
      { 'a\ud800': one, 'a\ud801': nine },
    ],
    ['a byte string of Python 2', zip(dict(raw('U', 2, '\xc3\xa9'), tensor())), { é: one }],
    [
      'one storage as float and as int',
      zip(
        dict(text('a'), tensor(), text('b'), tensor({ storage: storage({ type: 'IntStorage' }) })),
      ),
      { a: one, b: one },
    ],
    [
      'one legacy storage as float and as int',
      legacy(
        dict(
          text('a'),
          tensor({ storage: storage({ view: 'N' }) }),
          text('b'),
          tensor({ storage: storage({ type: 'IntStorage', view: 'N' }) }),
        ),
      ),
      { a: one, b: one },
    ],
    [
      'two legacy views under one name',
      legacy(
        dict(
          text('a'),
          tensor({ storage: views('v', 0), size: ints(2) }),
          text('b'),
          tensor({ storage: views('v', 2), size: ints(2) }),
        ),
      ),
      { a: [1, 2], b: [1, 2] },
    ],
    [
      'a legacy view under the name of its storage',
      legacy(dict(text('a'), tensor({ storage: views('0', 2), size: ints(2) }))),
      { a: [1, 2] },
    ],
    [
      'a size that grows after the tensor was made',
      zip(
        dict(
          text('w'),
          fromType(tensorArguments({ size: growing(9, 4), stride: growing(8, 1) })),
          text('l'),
          raw(get(9), int(1), 'a', get(8), int(1), 'a', 0x86),
        ),
      ),
      { w: one },
    ],
    [
      'a tensor whose state replaces its data',
      zip(dict(text('w'), fromType(tensorArguments(), dict(text('data'), second)))),
      { w: nine },
    ],
    [
      'a parameter whose state replaces its data',
      zip(
        dict(
          text('w'),
          call(
            global('torch._utils', '_rebuild_parameter_with_state'),
            tensor(),
            0x89,
            orderedDict(),
            dict(text('data'), second),
          ),
        ),
      ),
      { w: nine },
    ],
    [
      'a mention of negation, whatever its value',
      zip(dict(text('w'), tensor({ more: dict(text('neg'), 0x89) }))),
      { w: [-1, -2, -3, -4] },
    ],
    [
      'an OrderedDict made of a dict',
      zip(call(global('collections', 'OrderedDict'), dict(text('a'), tensor()))),
      { a: one },
    ],
    [
      'a defaultdict made of pairs',
      zip(call(global('collections', 'defaultdict'), 'N', tuple(tuple(text('a'), tensor())))),
      { a: one },
    ],
    ['names of entries that differ in case', cased(), { w: nine }],
    ['a second end record in the comment of the first', endInComment(), { w: nine }],
  ])('%s', async (_, bytes, expected) => {
    const outcome = await survey(bytes);
    if ('code' in outcome) return;
    const { value } = await readCheckpoint(bytes);
    const found = [...listTensors(value)].map(([key, view]) => [key, [...toFloat32(view)]]);
    expect(Object.fromEntries(found)).toEqual(expected);
  });
});
