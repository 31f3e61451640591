import { constants, crc32, deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  call,
  dict,
  ELEMENTS,
  get,
  global,
  int,
  ints,
  legacyFile,
  type Part,
  pickle,
  put,
  REBUILD,
  raw,
  storage,
  storageId,
  tensor,
  tensorArguments,
  text,
  tuple,
} from '../helpers/pickle-writer.js';
import { checkpointZip, concatenate, storedEntries, writeZip } from '../helpers/zip-writer.js';
import { PICKLE_MEGABYTES, readApart } from './bombs.js';

/** Each level holds the one below twice: 2^levels paths lead to the innermost. */
const doubled = (levels: number) =>
  raw(
    ')',
    put(0),
    ...Array.from({ length: levels }, (_, i) => raw('0', get(i), get(i), 0x86, put(i + 1))),
  );

describe('small files that would take forever are answered in time', () => {
  const zip = (...parts: readonly Part[]) => checkpointZip(pickle(...parts), { 0: ELEMENTS });
  const nested = raw(')', new Uint8Array(20_000).fill(0x85));
  const many = (count: number, ...parts: readonly Part[]) => {
    const part = raw(...parts);
    return concatenate(...Array.from({ length: count }, () => part));
  };
  const longTuple = raw('(', 'N'.repeat(49_999), 't', put(0), '0');
  const size = raw(global('torch', 'Size'), put(1), '0');
  const late = (args: Uint8Array) =>
    zip(
      dict(
        text('w'),
        args,
        text('l'),
        raw(get(9), '(', int(-1), int(-1), 'e'),
        text('m'),
        raw(get(8), '(', int(1), int(1), 'e'),
      ),
    );
  const sizes = {
    size: raw(']', put(9), '(', int(2), int(2), 'e'),
    stride: raw(']', put(8), '(', int(1), int(2), 'e'),
  };

  test.each<[name: string, bytes: Uint8Array]>([
    ['a legacy protocol of many paths', legacyFile(pickle('}'), { protocol: pickle(doubled(40)) })],
    ['a deeply nested legacy protocol', legacyFile(pickle('}'), { protocol: pickle(nested) })],
    ['a key of many paths', zip('}', doubled(40), tensor(), 's')],
    ['a deeply nested key', zip('}', nested, tensor(), 's')],
    [
      'an element count of many paths',
      zip(
        tuple(
          text('storage'),
          global('torch', 'FloatStorage'),
          text('0'),
          text('cpu'),
          doubled(40),
        ),
        'Q',
      ),
    ],
    [
      'a long storage key, often',
      zip(
        '}',
        text('k'.repeat(500_000)),
        put(0),
        '0',
        storageId({ key: get(0) }),
        put(1),
        many(60_000, get(1), 'Q0'),
      ),
    ],
    [
      'a long key above many tensors',
      zip(
        '}',
        tensor(),
        put(1),
        '0',
        text('k'.repeat(400_000)),
        '](',
        get(1),
        '2'.repeat(40_000),
        'es',
      ),
    ],
    ['a key of many prefixes', zip(dict(text('module.'.repeat(90_000)), tensor()))],
    [
      'many calls with many arguments',
      zip(longTuple, size, many(40_000, get(1), get(0), 'R0'), 'N'),
    ],
    [
      'many calls whose arguments are kept',
      zip(longTuple, size, '(', many(8000, get(1), get(0), 'R'), 't'),
    ],
    [
      'sizes that turn negative after the check',
      late(
        call(
          global('torch._tensor', '_rebuild_from_type_v2'),
          REBUILD,
          global('torch', 'Tensor'),
          tensorArguments(sizes),
          'N',
        ),
      ),
    ],
    ['sizes in a call of many arguments', late(tensor({ ...sizes, more: 'N'.repeat(12) }))],
    [
      'a version of 540 MB',
      (() => {
        // A hundred times the same, which is compressed once.
        const part = Buffer.alloc(5_400_000, '3');
        const block = deflateRawSync(part, { finishFlush: constants.Z_FULL_FLUSH });
        const parts = Array<Buffer>(100).fill(part);
        const version = {
          name: 'archive/version',
          data: concatenate(...parts.map(() => block), deflateRawSync(Buffer.alloc(0))),
          method: 8,
          crc32: parts.reduce((sum, each) => crc32(each, sum), 0),
          size: 540_000_000,
        };
        return writeZip([
          ...storedEntries(zip(dict(text('w'), tensor()))).filter(
            ({ name }) => !name.endsWith('version'),
          ),
          version,
        ]);
      })(),
    ],
    [
      'a tiny tensor that expands to 4 GiB',
      zip(
        dict(
          text('w'),
          tensor({
            storage: storage({ type: 'ByteStorage' }),
            size: ints(2 ** 30),
            stride: ints(0),
          }),
        ),
      ),
    ],
  ])('%s', async (_, bytes) => {
    expect(bytes.length).toBeLessThan(2 ** 20);
    const { outcome, megabytes } = await readApart(bytes, 10_000);
    expect(outcome).not.toContain('untagged');
    expect(megabytes).toBeLessThan(PICKLE_MEGABYTES);
  });
});
