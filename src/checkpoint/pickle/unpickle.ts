import { BufferReader, Parser } from 'pickleparser';
import { isPth2tfjsError, Pth2tfjsError } from '../../base/errors.js';
import type { TensorStorage } from '../tensor/tensor.js';
import type { Budget } from './budget.js';
import type { NamedGlobal } from './danger.js';
import { ALLOWED_GLOBALS } from './globals.js';
import { CallableGlobal, OpaqueGlobal, OpaqueObject, opaqueName } from './inert.js';
import { MAX_OPCODES } from './pickle-cursor.js';
import { StorageTable } from './storage-table.js';
import { type VerifiedPickle, verifyPickle } from './verify-pickle.js';

/** What a pickle held: inert values, and the storages whose bytes are still to come. */
export interface Unpickled {
  readonly value: unknown;
  readonly storages: readonly TensorStorage[];
  readonly protocol: number;
  /** Globals that have no meaning here, as often as they are mentioned. */
  readonly opaque: readonly NamedGlobal[];
  /** Offset of the byte behind the pickle. */
  readonly end: number;
}

/**
 * Reads one pickle. Dicts become Maps, tuples and lists arrays, tensors {@link TensorView}s, and
 * all else inert objects: of meaning where the allow-list has the name, opaque where not. Nothing in
 * the bytes chooses what code runs.
 *
 * @throws Pth2tfjsError as {@link verifyPickle} does, and `corrupt` for tensors that make no sense.
 */
export function unpickle(bytes: Uint8Array, start = 0): Unpickled {
  const verified = verifyPickle(bytes, start);
  const reader = new VerifiedReader(bytes.subarray(start, verified.end), start, verified);
  const storages = new StorageTable();
  const budget: Budget = { entries: MAX_OPCODES };
  const parser = new Parser({
    unpicklingTypeOfDictionary: 'Map',
    unpicklingTypeOfSet: 'Set',
    nameResolver: { resolve: (module, name) => resolveGlobal(`${module}.${name}`) },
    // pickleparser types the id as text, but hands over whatever lies on the stack.
    persistentResolver: {
      resolve: (found: unknown) => {
        const call = reader.takeCall(found);
        if (call !== undefined) return apply(call, budget);
        return moduleClass(found) ?? storages.resolve(found);
      },
    },
  });
  try {
    const value: unknown = parser.read(reader);
    const { protocol, opaque, end } = verified;
    return { value, storages: storages.all, protocol, opaque, end };
  } catch (error) {
    if (isPth2tfjsError(error)) throw error;
    const offset = start + reader.position;
    const code = error instanceof RangeError ? 'limit' : 'corrupt';
    const message = `the pickle makes no sense near byte ${offset}: ${String(error)}`;
    throw new Pth2tfjsError(code, message, { offset, cause: error });
  }
}

/** What an opcode calls. */
interface Call {
  readonly callee: unknown;
  readonly args: readonly unknown[];
  readonly keywords?: unknown;
}

interface Gathering {
  readonly gather: readonly number[];
  readonly call: (gathered: readonly unknown[]) => Call;
}

const [LONG, LONG4, GLOBAL, TUPLE, TUPLE2, TUPLE3, BINPERSID] = [
  0x4c, 0x8b, 0x63, 0x74, 0x86, 0x87, 0x51,
] as const;

/**
 * The opcodes that call something, as others that only gather what is to be called and hand it over
 * like a persistent id: so the parser itself calls nothing, and OBJ, which it reads the wrong way
 * round, is read as CPython reads it. Source: CPython's Lib/pickle.py.
 */
const CALLS: ReadonlyMap<number, Gathering> = new Map<number, Gathering>([
  [0x52, { gather: [TUPLE2, BINPERSID], call: calleeFirst }], // REDUCE
  [0x81, { gather: [TUPLE2, BINPERSID], call: calleeFirst }], // NEWOBJ
  [0x92, { gather: [TUPLE3, BINPERSID], call: calleeFirst }], // NEWOBJ_EX
  [0x6f, { gather: [TUPLE, BINPERSID], call: ([callee, ...args]) => ({ callee, args }) }], // OBJ
  [
    0x69, // INST, whose two lines GLOBAL reads
    {
      gather: [TUPLE, GLOBAL, TUPLE2, BINPERSID],
      call: ([args, callee]) => calleeFirst([callee, args]),
    },
  ],
]);

function calleeFirst([callee, args, keywords]: readonly unknown[]): Call {
  return { callee, args: Array.isArray(args) ? [...args] : [], keywords };
}

/** Hands pickleparser the integers it would misread as decimal text, and calls as {@link CALLS} says. */
class VerifiedReader extends BufferReader {
  private text: string | undefined;
  /** Opcodes to hand over before the next in the bytes. */
  private pending: readonly number[] = [];
  private call: ((gathered: readonly unknown[]) => Call) | undefined;
  private readonly utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor(
    bytes: Uint8Array,
    private readonly base: number,
    private readonly verified: VerifiedPickle,
  ) {
    super(bytes);
  }

  override byte(): number {
    const [next, ...rest] = this.pending;
    if (next !== undefined) {
      this.pending = rest;
      return next;
    }
    const at = this.base + this.position;
    this.text = this.verified.integers.get(at);
    if (this.text !== undefined) return this.skipInteger();
    return this.verified.calls.has(at) ? this.gather(super.byte()) : super.byte();
  }

  private skipInteger(): number {
    const wide = super.byte() === LONG4;
    this.skip(wide ? super.uint32() : super.byte());
    return LONG;
  }

  private gather(opcode: number): number {
    const { gather, call } = CALLS.get(opcode) as Gathering;
    const [first, ...rest] = gather;
    this.pending = rest;
    this.call = call;
    return first as number;
  }

  /** The call that the opcodes just handed over stand for, or undefined for a true persistent id. */
  takeCall(gathered: unknown): Call | undefined {
    const call = this.call?.(gathered as readonly unknown[]);
    this.call = undefined;
    return call;
  }

  /** Texts as torch.load reads them, byte strings of Python 2 too: UTF-8, or an error. */
  override string(size: number): string {
    return this.utf8.decode(this.bytes(size));
  }

  override line(): string {
    return this.text ?? super.line();
  }
}

/** `('module', class, source file, source)`, which legacy streams have in place of a module's class. */
function moduleClass(id: unknown): unknown {
  return Array.isArray(id) && id[0] === 'module' ? id[1] : undefined;
}

/** The value that stands for a global. */
function resolveGlobal(name: string): never {
  const known = ALLOWED_GLOBALS.get(name);
  if (known === undefined) return new OpaqueGlobal(name) as never;
  const { call, value } = known;
  return (call === undefined ? value : new CallableGlobal(name, call)) as never;
}

/** An inert builder of the allow-list is called; all else gives an opaque value. */
function apply({ callee, args, keywords }: Call, budget: Budget): unknown {
  budget.entries -= args.length + 1;
  if (budget.entries < 0) throw new Pth2tfjsError('limit', 'calls with too many arguments');
  if (callee instanceof CallableGlobal) return callee.call(args, budget);
  if (callee instanceof OpaqueGlobal) {
    return new OpaqueObject(callee.global, args, false, undefined, keywords);
  }
  // A partial, or a method: what it was made of is kept before the further arguments.
  if (callee instanceof OpaqueObject) {
    return new OpaqueObject(
      opaqueName(callee),
      [...callee.args, ...args],
      false,
      undefined,
      keywords,
    );
  }
  throw new Pth2tfjsError('corrupt', 'the pickle calls what is no class or function');
}
