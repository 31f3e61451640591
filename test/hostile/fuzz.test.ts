import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isPth2tfjsError } from '../../src/base/errors.js';
import { readCheckpoint } from '../../src/checkpoint/read-checkpoint.js';
import { findStateDicts, listTensors } from '../../src/checkpoint/state-dict/find-state-dict.js';
import { itemSize } from '../../src/checkpoint/tensor/dtype.js';
import { toFloat32 } from '../../src/checkpoint/tensor/float32.js';
import {
  contiguousBytes,
  MAX_TENSOR_BYTES,
  type TensorView,
} from '../../src/checkpoint/tensor/tensor.js';
import { NETWORK_KEYS } from '../../src/networks/match.js';
import {
  call,
  dict,
  ELEMENTS,
  float,
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
  storageId,
  tensor,
  tensorArguments,
  text,
  tuple,
} from '../helpers/pickle-writer.js';
import { drawSeed } from '../helpers/seed.js';
import { SLOW } from '../helpers/tiers.js';
import {
  checkpointZip,
  concatenate,
  endRecord,
  storedEntries,
  writeZip,
  zipParts,
} from '../helpers/zip-writer.js';

fc.configureGlobal({ seed: drawSeed('fuzz.test.ts') });

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAX_FILE_BYTES = 8192;
const MAX_MILLISECONDS = 5000;

interface Sample {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The small files that real PyTorch versions wrote. */
const SAMPLES: readonly Sample[] = ['torch-1.13', 'torch-2.13'].flatMap((writer) => {
  const folder = join(ROOT, 'golden', writer);
  return readdirSync(folder)
    .map((name) => ({
      name: `${writer}/${name}`,
      bytes: new Uint8Array(readFileSync(join(folder, name))),
    }))
    .filter(({ bytes }) => bytes.length < MAX_FILE_BYTES);
});
const startsWith = (...head: number[]) => {
  return ({ bytes }: Sample) => head.every((byte, i) => bytes[i] === byte);
};
const ZIPS = SAMPLES.filter(startsWith(0x50, 0x4b));
/** Files whose every byte that matters is under a checksum. */
const GUARDED = [...ZIPS, ...SAMPLES.filter(startsWith(0x1f, 0x8b))];
const LEGACY = SAMPLES.filter((sample) => !GUARDED.includes(sample));

/** The properties that everything inherits, with their values. */
function inherited(): unknown {
  const shared = [Object, Map, Set, Array, Function, Uint8Array, Error, String, Number, Promise];
  return shared.map(({ prototype }) =>
    Reflect.ownKeys(prototype).map((key) => {
      const property = Object.getOwnPropertyDescriptor(prototype, key);
      return [key, property?.value, property?.get, property?.set];
    }),
  );
}
const INHERITED = inherited();

beforeEach(() => {
  for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const) {
    vi.spyOn(console, method);
  }
});

afterEach(() => {
  for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const) {
    expect(console[method]).not.toHaveBeenCalled();
  }
  vi.restoreAllMocks();
  expect(inherited()).toEqual(INHERITED);
});

/** What a tensor holds, in one line; large expanded ones are not laid out. */
function describeTensor(view: TensorView): string {
  const shape = `${view.dtype}[${view.shape}]`;
  const bytes = view.numel * itemSize(view.dtype);
  if (bytes > 2 ** 22 && bytes <= MAX_TENSOR_BYTES) return shape;
  const hash = createHash('sha256').update(contiguousBytes(view));
  if (!view.dtype.startsWith('complex') && view.dtype !== 'float4_e2m1fn_x2') {
    hash.update(new Uint8Array(toFloat32(view).slice().buffer));
  }
  return `${shape} ${hash.digest('hex')}`;
}

type Outcome = { readonly code: string } | { readonly tensors: Readonly<Record<string, string>> };

/** Reads a file to the last element; everything but tagged errors comes through as it is. */
async function survey(bytes: Uint8Array): Promise<Outcome> {
  const start = performance.now();
  try {
    const { value } = await readCheckpoint(bytes);
    findStateDicts(value, NETWORK_KEYS);
    const tensors = [...listTensors(value)].map(([key, view]) => [key, describeTensor(view)]);
    return { tensors: Object.fromEntries(tensors) };
  } catch (error) {
    if (isPth2tfjsError(error)) return { code: error.code };
    throw error;
  } finally {
    expect(performance.now() - start).toBeLessThan(MAX_MILLISECONDS);
  }
}

type Mutation = (bytes: Uint8Array, other: Uint8Array) => Uint8Array;

const position = fc.nat({ max: 2 ** 30 });
const within = (at: number, bytes: Uint8Array) => (bytes.length === 0 ? 0 : at % bytes.length);

const flips: fc.Arbitrary<Mutation> = fc
  .array(fc.tuple(position, fc.nat(7)), { minLength: 1, maxLength: 8 })
  .map((spots) => (bytes) => {
    const out = bytes.slice();
    for (const [at, bit] of spots) out[within(at, out)] = (out[within(at, out)] ?? 0) ^ (1 << bit);
    return out;
  });

const truncation: fc.Arbitrary<Mutation> = position.map(
  (at) => (bytes) => bytes.slice(0, within(at, bytes)),
);

const splice: fc.Arbitrary<Mutation> = fc
  .tuple(position, position, fc.boolean())
  .map(([cut, from, aligned]) => (bytes, other) => {
    const at = within(cut, bytes);
    return concatenate(bytes.slice(0, at), other.slice(aligned ? at : within(from, other)));
  });

const block: fc.Arbitrary<Mutation> = fc
  .tuple(position, fc.integer({ min: 1, max: 300 }), fc.boolean())
  .map(([cut, length, twice]) => (bytes) => {
    const at = within(cut, bytes);
    return concatenate(
      bytes.slice(0, at + (twice ? length : 0)),
      bytes.slice(twice ? at : at + length),
    );
  });

const EXTREMES = [0n, 1n, 0x7fn, 0xffn, 0xffffn, 0x7fffffffn, 0x80000000n, 0xffffffffn].concat([
  2n ** 32n,
  2n ** 40n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
]);

const extreme: fc.Arbitrary<Mutation> = fc
  .tuple(position, fc.constantFrom(...EXTREMES), fc.constantFrom(1, 2, 4, 8))
  .map(([cut, value, width]) => (bytes) => {
    const out = bytes.slice();
    const at = within(cut, out);
    for (let i = 0; i < width && at + i < out.length; i++) {
      out[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
    }
    return out;
  });

const MUTATIONS = { truncation, flips, splice, block, extreme };
type MutationName = keyof typeof MUTATIONS;
const NAMES = Object.keys(MUTATIONS) as MutationName[];

/** Runs the property on mutations of random samples; fast-check prints seed and path when it fails. */
async function checkMutations(
  samples: readonly Sample[],
  mutation: fc.Arbitrary<Mutation>,
  numRuns: number,
  check: (mutate: Mutation, sample: Sample, other: Sample) => Promise<void>,
): Promise<void> {
  expect(samples.length).toBeGreaterThan(0);
  const sample = fc.constantFrom(...samples);
  await fc.assert(fc.asyncProperty(mutation, sample, sample, check), { numRuns });
}

describe('damaged files with checksums are refused, or still read the same', () => {
  const known = new Map<Sample, Promise<Outcome>>();
  const original = (sample: Sample) => {
    const outcome = known.get(sample) ?? survey(sample.bytes);
    known.set(sample, outcome);
    return outcome;
  };

  test.each(NAMES)('%s', async (name) => {
    await checkMutations(GUARDED, MUTATIONS[name], 1500, async (mutate, sample, other) => {
      const outcome = await survey(mutate(sample.bytes, other.bytes));
      if ('code' in outcome) return;
      expect([await original(sample), await original(other)]).toContainEqual(outcome);
    });
  });

  const FLIPPED = ['state-dict.pth', 'zip-big-endian.pth', 'dtype-uint16.pth'].map((file) => {
    return SAMPLES.find(({ name }) => name === `torch-2.13/${file}`) as Sample;
  });

  test.each(FLIPPED)('every byte of every entry of $name', async ({ bytes }) => {
    for (const { data } of storedEntries(bytes)) {
      const start = data.byteOffset - bytes.byteOffset;
      for (let at = start; at < start + data.length; at++) {
        const mutant = bytes.slice();
        mutant[at] = (mutant[at] as number) ^ (1 << (at % 8));
        expect(await survey(mutant), `byte ${at}`).toHaveProperty('code');
      }
    }
  });
});

describe('damaged legacy files end in a tagged error or in tensors', () => {
  test.each(NAMES)('%s', async (name) => {
    await checkMutations(LEGACY, MUTATIONS[name], 4000, async (mutate, sample, other) => {
      await survey(mutate(sample.bytes, other.bytes));
    });
  });
});

describe('damaged pickles under a right checksum end in a tagged error or in tensors', SLOW, () => {
  const stored = ZIPS.filter(({ name }) => !name.includes('deflated'));

  test.each(NAMES)('%s', async (name) => {
    await checkMutations(stored, MUTATIONS[name], 1500, async (mutate, sample, other) => {
      const pickleOf = ({ bytes }: Sample) =>
        storedEntries(bytes).find((entry) => entry.name.endsWith('/data.pkl'))?.data as Uint8Array;
      const mutant = mutate(pickleOf(sample), pickleOf(other));
      const entries = storedEntries(sample.bytes).map((entry) =>
        entry.name.endsWith('/data.pkl') ? { ...entry, data: mutant } : entry,
      );
      await survey(writeZip(entries));
    });
  });
});

/** What an instruction takes off the stack, deepest first, and what it puts there. */
interface Instruction {
  readonly bytes: (operand: number) => Uint8Array;
  readonly takes?: readonly string[];
  readonly gives?: string;
  /** Takes all above the newest mark, and the mark. */
  readonly closes?: boolean;
}

const instruction = (code: Part, takes: string, gives?: string, closes = false): Instruction => ({
  bytes: () => raw(code),
  takes: takes === '' ? [] : takes.split(' '),
  ...(gives === undefined ? {} : { gives }),
  closes,
});

const TEXTS = [
  'w',
  '__proto__',
  'constructor',
  'shape',
  'strides',
  'offset',
  '__setstate__',
  '\ufeff',
];
const INTEGERS = [0, 1, 2, 4, -1, -4, 2 ** 31 - 1, -(2 ** 31)];
const GLOBALS = ['torch Size', 'builtins set', 'argparse Namespace', 'collections defaultdict'].map(
  (name) => global(...(name.split(' ') as [string, string])),
);

const INSTRUCTIONS: readonly Instruction[] = [
  { bytes: () => raw('('), gives: 'mark' },
  { bytes: (n) => text(TEXTS[n % TEXTS.length] as string), gives: 'str' },
  { bytes: (n) => int(INTEGERS[n % INTEGERS.length] as number), gives: 'int' },
  { bytes: (n) => raw(0x8b, 1, 0, 0, 0, n), gives: 'int' },
  { bytes: (n) => raw(0x8a, 9, new Uint8Array(8), n), gives: 'int' },
  { bytes: (n) => float([0, 0.5, Number.NaN, -1e300][n % 4] as number), gives: 'float' },
  { bytes: (n) => GLOBALS[n % GLOBALS.length] as Uint8Array, gives: 'callable' },
  { bytes: (n) => get(n % 8), gives: 'known' },
  { bytes: (n) => put(n % 8), takes: ['any'], gives: 'named' },
  { bytes: (n) => storage({ type: n % 2 ? 'FloatStorage' : 'LongStorage' }), gives: 'storage' },
  { bytes: () => storageId(), gives: 'id' },
  { bytes: (n) => tensor({ size: ints(n % 5), offset: n % 3 }), gives: 'tensor' },
  { bytes: (n) => raw(']', put(n % 8), int(4), 'a'), gives: 'list' },
  {
    bytes: (n) =>
      call(
        global('torch._tensor', '_rebuild_from_type_v2'),
        REBUILD,
        global('torch', 'Tensor'),
        tensorArguments({ size: raw(']', put(n % 8), int(4), 'a') }),
        'N',
      ),
    gives: 'tensor',
  },
  { bytes: () => tensorArguments(), gives: 'arguments' },
  { bytes: () => orderedDict(), gives: 'state' },
  { bytes: (n) => dict(text(TEXTS[n % TEXTS.length] as string), '}'), gives: 'dict' },
  instruction(REBUILD, '', 'builder'),
  instruction(global('torch._tensor', '_rebuild_from_type_v2'), '', 'builder'),
  instruction(global('torch._utils', '_rebuild_qtensor'), '', 'builder'),
  instruction(global('torch', 'FloatStorage'), '', 'constant'),
  instruction(global('torch', 'int8'), '', 'constant'),
  instruction('N', '', 'none'),
  instruction(0x88, '', 'bool'),
  instruction(')', '', 'tuple'),
  instruction(']', '', 'list'),
  instruction('}', '', 'dict'),
  instruction(0x8f, '', 'set'),
  instruction('t', '', 'tuple', true),
  instruction('e', 'list', 'list', true),
  instruction('u', 'dict', 'dict', true),
  instruction(0x90, 'set', 'set', true),
  instruction(0x91, '', 'frozenset', true),
  instruction(raw('(', 0x91), '', 'frozenset'),
  instruction('1', '', undefined, true),
  instruction(0x85, 'any', 'tuple'),
  instruction(0x86, 'any any', 'tuple'),
  instruction(0x87, 'any any any', 'tuple'),
  instruction('a', 'list any', 'list'),
  instruction('s', 'dict any any', 'dict'),
  instruction('s', 'state any any', 'state'),
  instruction('R', 'callable tuple', 'state'),
  instruction(0x81, 'callable tuple', 'state'),
  instruction('b', 'state any', 'state'),
  instruction('b', 'frozenset dict', 'frozenset'),
  instruction('Q', 'id', 'storage'),
  instruction('R', 'builder arguments', 'tensor'),
  instruction('0', 'any'),
  instruction('2', 'any', 'twice'),
];

/** A tuple of what is left by those of the chosen instructions that the stack allows, and a few that it does not. */
function plausiblePickle(choices: readonly (readonly [number, number, boolean])[]): Uint8Array {
  const stack: string[] = [];
  const memo = new Map<number, string>();
  const parts: Uint8Array[] = [];
  for (const [index, operand, wild] of choices) {
    const { bytes, takes = [], gives, closes } = INSTRUCTIONS[index] as Instruction;
    const mark = closes === true ? stack.lastIndexOf('mark') : stack.length;
    const taken = mark < takes.length ? undefined : stack.slice(mark - takes.length, mark);
    const allowed = taken?.every((kind, i) => {
      return kind !== 'mark' && (takes[i] === 'any' || kind === 'any' || kind === takes[i]);
    });
    const known = gives !== 'known' || memo.has(operand % 8);
    if (!(allowed === true && known) && !wild) continue;
    parts.push(bytes(operand));
    if (taken === undefined) continue;
    stack.length = mark - taken.length;
    if (gives === 'known') stack.push(memo.get(operand % 8) ?? 'any');
    else if (gives === 'twice') stack.push(...taken, ...taken);
    else if (gives === 'named') {
      memo.set(operand % 8, taken[0] as string);
      stack.push(...taken);
    } else if (gives !== undefined) stack.push(gives);
  }
  const marks = stack.filter((kind) => kind === 'mark').length;
  return pickle('(', ...parts, 't'.repeat(marks + 1));
}

test('random pickles that look plausible end in a tagged error or in tensors', SLOW, async () => {
  const choice = fc.tuple(
    fc.nat(INSTRUCTIONS.length - 1),
    fc.nat(255),
    fc.nat(500).map((n) => n === 0),
  );
  const choices = fc.array(choice, { minLength: 20, maxLength: 80, size: 'max' });
  let resolved = 0;
  const property = fc.asyncProperty(choices, async (chosen) => {
    const outcome = await survey(checkpointZip(plausiblePickle(chosen), { 0: ELEMENTS }));
    if ('tensors' in outcome) resolved++;
  });
  await fc.assert(property, { numRuns: 6000 });
  expect(resolved).toBeGreaterThan(2000);
});

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
