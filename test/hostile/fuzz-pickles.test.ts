/** Pickles at random that look plausible. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  call,
  dict,
  ELEMENTS,
  float,
  get,
  global,
  int,
  ints,
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
} from '../helpers/pickle-writer.js';
import { drawSeed } from '../helpers/seed.js';
import { SLOW } from '../helpers/tiers.js';
import { checkpointZip } from '../helpers/zip-writer.js';
import { survey } from './survey.js';

fc.configureGlobal({ seed: drawSeed('fuzz-pickles.test.ts') });

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
