import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { MAX_OPCODES } from '../../src/checkpoint/pickle/pickle-cursor.js';
import {
  dict,
  ELEMENTS,
  ints,
  legacyFile,
  type Part,
  pickle,
  raw,
  storage,
  tensor,
  text,
} from '../helpers/pickle-writer.js';
import { SLOW } from '../helpers/tiers.js';
import { checkpointZip, concatenate, writeZip } from '../helpers/zip-writer.js';
import { LEGACY_MEGABYTES, PICKLE_MEGABYTES, readApart } from './bombs.js';

/**
 * One buffer takes what gzip unpacks; while it grows, the smaller one stays. The rest is Node itself
 * and what the stream has in flight.
 */
const gzipMegabytes = (bound: number) => 2 * bound + 192;

describe('bombs stay within memory', SLOW, () => {
  const zip = (...parts: readonly Part[]) => checkpointZip(pickle(...parts), { 0: ELEMENTS });
  const zeros = (count: number) => Buffer.alloc(count);
  const entry = (name: string, data: Uint8Array) => ({
    name: `archive/${name}`,
    data: deflateRawSync(data),
    method: 8,
    crc32: crc32(data),
    size: data.length,
  });
  const version = { name: 'archive/version', data: raw('3\n') };
  /** Of so many opcodes, all but three of them the given one. */
  const filled = (opcode: string, count = MAX_OPCODES - 10) =>
    writeZip([entry('data.pkl', pickle(opcode.repeat(count - 3), 'N')), version]);
  const many = '}'.repeat(MAX_OPCODES - 10);
  const setOfDicts = pickle(0x8f, '(', many, 0x90);
  const batch = raw('(', '}'.repeat(49_000), 'e');
  const listOfDicts = pickle(']', ...Array.from({ length: 10 }, () => batch));
  /** A gzip file of no tensors, `noise` bytes that do not compress, and so many times 64 MiB. */
  const gzipped = (noise: number, times: number, last: number) => {
    const random = new Uint8Array(noise);
    for (let i = 0; i < noise; i += 2 ** 16)
      crypto.getRandomValues(random.subarray(i, i + 2 ** 16));
    const members = [legacyFile(pickle('}')), random].map((bytes) => gzipSync(bytes));
    const member = gzipSync(zeros(2 ** 26));
    return concatenate(...members, ...Array<Buffer>(times).fill(member), gzipSync(zeros(last)));
  };

  test.each<[name: string, bytes: () => Uint8Array, outcome: string, megabytes: number]>([
    [
      'a deflated entry that unpacks to more than it claims',
      () =>
        writeZip([
          { name: 'archive/data.pkl', data: pickle(dict(text('w'), tensor())) },
          { name: 'archive/data/0', data: deflateRawSync(zeros(2 ** 27)), method: 8, size: 16 },
        ]),
      'corrupt',
      200,
    ],
    [
      'deflated entries that claim, and hold, just under 256 MiB',
      () =>
        writeZip([entry('data.pkl', pickle('}')), entry('data/0', zeros(2 ** 28 - 64)), version]),
      'ok',
      // Those, once, with Node itself and what jszip has in flight.
      256 + 192,
    ],
    [
      'deflated entries that claim, and hold, over 256 MiB',
      () => writeZip([entry('data.pkl', pickle('}')), entry('data/0', zeros(2 ** 28)), version]),
      'limit',
      200,
    ],
    [
      // As the last member says, the buffer is of 1 MiB less 1 KiB at first; the eighth doubling
      // leaves it a little too small.
      'a gzip layer of 260 KB that unpacks to over 256 MiB',
      () => gzipped(0, 4, 2 ** 20 - 2 ** 10),
      'limit',
      gzipMegabytes(256),
    ],
    [
      'a gzip layer of 5 MiB that unpacks to just under 64 times its size',
      () => gzipped(5 * 2 ** 20, 5, 2 ** 20),
      'ok',
      gzipMegabytes(64 * 5.4),
    ],
    [
      'a gzip layer of 5 MiB that unpacks to over 64 times its size',
      () => gzipped(5 * 2 ** 20, 6, 2 ** 20),
      'limit',
      gzipMegabytes(64 * 5.4),
    ],
    [
      'a gzip layer of 17 MiB that unpacks to over 1 GiB',
      () => gzipped(17 * 2 ** 20, 16, 2 ** 20),
      'limit',
      gzipMegabytes(1024),
    ],
    [
      'a zip64 header that claims terabytes',
      () =>
        writeZip([
          { name: 'archive/data.pkl', data: pickle('}') },
          { name: 'archive/data/0', data: deflateRawSync(zeros(100)), method: 8, size: 2 ** 42 },
        ]),
      'corrupt',
      200,
    ],
    [
      'a legacy storage that claims terabytes',
      () => {
        const elements = storage({ view: 'N', numel: 2 ** 31 - 1, type: 'DoubleStorage' });
        const bytes = legacyFile(pickle(dict(text('w'), tensor({ storage: elements }))), {
          storages: [ELEMENTS],
        });
        new DataView(bytes.buffer).setBigInt64(bytes.length - 24, 2n ** 31n - 1n, true);
        return bytes;
      },
      'truncated',
      200,
    ],
    [
      'a tensor of 2^40 elements on a storage of four',
      () => zip(dict(text('w'), tensor({ size: ints(2 ** 20, 2 ** 20), stride: ints(0, 0) }))),
      'limit',
      200,
    ],
    ['as many empty lists as a pickle may make', () => filled(']'), 'ok', PICKLE_MEGABYTES],
    ['as many empty dicts as a pickle may make', () => filled('}'), 'ok', PICKLE_MEGABYTES],
    ['as many marks as a pickle may set', () => filled('('), 'ok', PICKLE_MEGABYTES],
    [
      'exactly as many opcodes as a pickle may have',
      () => filled('}', MAX_OPCODES),
      'ok',
      PICKLE_MEGABYTES,
    ],
    ['one opcode too many', () => filled('}', MAX_OPCODES + 1), 'limit', PICKLE_MEGABYTES],
    [
      'a set of as many empty dicts as a pickle may make',
      () => writeZip([entry('data.pkl', setOfDicts), version]),
      'ok',
      PICKLE_MEGABYTES,
    ],
    [
      'a list of more empty dicts than may be walked',
      () => writeZip([entry('data.pkl', listOfDicts), version]),
      'limit',
      PICKLE_MEGABYTES,
    ],
    [
      'empty dicts in each pickle of a legacy file',
      () =>
        gzipSync(
          legacyFile(setOfDicts, {
            protocol: pickle(many, 'M', 0xe9, 3),
            systemInfo: setOfDicts,
            keys: pickle(many, ']'),
          }),
        ),
      'ok',
      LEGACY_MEGABYTES,
    ],
  ])('%s', async (_, bytes, outcome, megabytes) => {
    const run = await readApart(bytes(), 30_000);
    expect(run.outcome).toBe(outcome);
    expect(run.megabytes).toBeLessThan(megabytes);
  });
});
