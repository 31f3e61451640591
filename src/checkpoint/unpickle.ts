import { BufferReader, Parser } from 'pickleparser';
import { isPth2tfjsError, Pth2tfjsError } from '../errors.js';
import { ALLOWED_GLOBALS, refuseGlobal } from './globals.js';
import { MAX_OPCODES } from './pickle-cursor.js';
import type { Budget } from './rebuild.js';
import { StorageTable } from './storage-table.js';
import type { TensorStorage } from './tensor.js';
import { type VerifiedPickle, verifyPickle } from './verify-pickle.js';

const LONG = 0x4c;

/** What a pickle held: inert values, and the storages whose bytes are still to come. */
export interface Unpickled {
  readonly value: unknown;
  readonly storages: readonly TensorStorage[];
  readonly protocol: number;
  /** Offset of the byte behind the pickle. */
  readonly end: number;
}

/**
 * Reads one pickle. Dicts become Maps, tuples and lists arrays, tensors {@link TensorView}s, and
 * what else the allow-list knows becomes inert objects. Nothing in the bytes chooses what code runs.
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
    nameResolver: { resolve: (module, name) => resolveGlobal(`${module}.${name}`, budget) },
    // pickleparser types the id as text, but hands over whatever BINPERSID finds on the stack.
    persistentResolver: { resolve: (id: unknown) => storages.resolve(id) },
  });
  try {
    const value: unknown = parser.read(reader);
    const { protocol, end } = verified;
    return { value, storages: storages.all, protocol, end };
  } catch (error) {
    if (isPth2tfjsError(error)) throw error;
    const offset = start + reader.position;
    const code = error instanceof RangeError ? 'limit' : 'corrupt';
    const message = `the pickle makes no sense near byte ${offset}: ${String(error)}`;
    throw new Pth2tfjsError(code, message, { offset, cause: error });
  }
}

/** Hands pickleparser the integers it would misread as decimal text, which it reads right. */
class VerifiedReader extends BufferReader {
  private text: string | undefined;
  private readonly utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor(
    bytes: Uint8Array,
    private readonly base: number,
    private readonly verified: VerifiedPickle,
  ) {
    super(bytes);
  }

  override byte(): number {
    this.text = this.verified.integers.get(this.base + this.position);
    if (this.text === undefined) return super.byte();
    const wide = super.byte() === 0x8b;
    this.skip(wide ? super.uint32() : super.byte());
    return LONG;
  }

  /** Texts as torch.load reads them, byte strings of Python 2 too: UTF-8, or an error. */
  override string(size: number): string {
    return this.utf8.decode(this.bytes(size));
  }

  override line(): string {
    return this.text ?? super.line();
  }
}

/**
 * A function for the parser, made anew at each mention: BUILD may write properties onto one.
 * The parser calls some with `new`, which an arrow function would not bear.
 */
function resolveGlobal(name: string, budget: Budget): never {
  const global = ALLOWED_GLOBALS.get(name) ?? refuseGlobal(name, 0);
  const { call, value } = global;
  if (call === undefined) return value as never;
  function build(...args: unknown[]): unknown {
    budget.entries -= args.length;
    if (budget.entries < 0) throw new Pth2tfjsError('limit', 'calls with too many arguments');
    return (call as NonNullable<typeof call>)(args, budget);
  }
  return build as never;
}
