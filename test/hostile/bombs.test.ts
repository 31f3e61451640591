import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAX_OPCODES } from '../../src/checkpoint/pickle/pickle-cursor.js';
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
import { SLOW } from '../helpers/tiers.js';
import { checkpointZip, concatenate, storedEntries, writeZip } from '../helpers/zip-writer.js';

/** One file read in a process of its own, which can be stopped and whose memory is its own. */
interface Run {
  readonly outcome: string;
  readonly megabytes: number;
}

const CHILD = `
  import { readFileSync } from 'node:fs';
  const load = (name) => import(process.argv[1] + name + '.js');
  const { readCheckpoint } = await load('checkpoint/read-checkpoint');
  const { listTensors, findStateDicts } = await load('checkpoint/state-dict/find-state-dict');
  const { toFloat32 } = await load('checkpoint/tensor/float32');
  const { NETWORK_KEYS } = await load('networks/match');
  const { isPth2tfjsError } = await load('base/errors');
  let outcome;
  try {
    const { value } = await readCheckpoint(readFileSync(process.argv[2]));
    findStateDicts(value, NETWORK_KEYS);
    for (const tensor of listTensors(value).values()) toFloat32(tensor);
    outcome = 'ok';
  } catch (error) {
    outcome = isPth2tfjsError(error) ? error.code : 'untagged ' + error;
  }
  let status = '';
  try { status = readFileSync('/proc/self/status', 'utf8'); } catch {}
  const peak = Number(/VmHWM:\\s*(\\d+)/.exec(status)?.[1] ?? process.resourceUsage().maxRSS);
  process.stdout.write(JSON.stringify({ outcome, megabytes: peak / 1024 }));
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pth2tfjs-bombs-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function readApart(bytes: Uint8Array, milliseconds: number): Promise<Run> {
  const file = join(folder, `${createHash('sha256').update(bytes).digest('hex')}.pth`);
  writeFileSync(file, bytes);
  const modules = new URL('../../dist/src/', import.meta.url).href;
  const args = ['--max-old-space-size=1024', '--input-type=module', '-e', CHILD, modules, file];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { timeout: milliseconds }, (error, stdout) => {
      if (stdout !== '') resolve(JSON.parse(stdout));
      else reject(new Error(`no answer within ${milliseconds} ms`, { cause: error }));
    });
  });
}

/** Each level holds the one below twice: 2^levels paths lead to the innermost. */
const doubled = (levels: number) =>
  raw(
    ')',
    put(0),
    ...Array.from({ length: levels }, (_, i) => raw('0', get(i), get(i), 0x86, put(i + 1))),
  );

/**
 * What one pickle may take. Node itself takes 60 to 80 MB; of twenty fillings of MAX_OPCODES, a set of
 * empty dicts takes most: up to 213 MB were measured, and half as much more is left for other versions.
 */
const PICKLE_MEGABYTES = 320;
/** The same for the pickles of a legacy file, three of which are in memory at once: up to 430 MB were measured. */
const LEGACY_MEGABYTES = 640;

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
