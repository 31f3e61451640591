import { isPth2tfjsError } from '../../base/errors.js';
import { isDangerous, isPlausible, type NamedGlobal, refusal } from './danger.js';
import { ALLOWED_GLOBALS } from './globals.js';
import { GETATTR } from './inert.js';
import type { Kind } from './opcodes.js';
import { PickleCursor, type Step } from './pickle-cursor.js';

/** CPython's pickler writes 1,000 items a batch; pickleparser spreads them over the call stack. */
const MAX_BATCH_ITEMS = 50_000;
const MAX_INTEGER_BYTES = 255;
/** Longer tuples are no arguments of a call that matters here. */
const MAX_ARGUMENTS = 16;
/** Longer names are refused; so much of one is read. */
const MAX_NAME_BYTES = 2048;
const HIGHEST_PROTOCOL = 5;

/** What is known of a value before it exists: its kind, where a string lies, what a global makes. */
interface Value {
  readonly kind: Kind;
  readonly start?: number;
  readonly end?: number;
  readonly makes?: Kind;
  /** The full name of a global that has no meaning here. */
  readonly opaque?: string;
  /** A short tuple's items, and whether all of any tuple's are integers. */
  readonly items?: readonly Value[];
  readonly integers?: boolean;
}

/** What one pickle turned out to be. */
export interface VerifiedPickle {
  /** Offset of the byte behind STOP. */
  readonly end: number;
  readonly protocol: number;
  /** Decimal text of the binary integers that pickleparser misreads (see below), by opcode offset. */
  readonly integers: ReadonlyMap<number, string>;
  /** Offsets of the opcodes that call something. */
  readonly calls: ReadonlySet<number>;
  /** Globals that have no meaning here, as often as they are mentioned. */
  readonly opaque: readonly NamedGlobal[];
}

/**
 * Walks one pickle without building anything and proves that the parser may run it: every argument
 * lies inside the bytes, the stack and the memo hold what each opcode takes from them, and all counts
 * are bounded. A pickle that passes cannot make the parser read a value that is not there, call
 * anything but the allow-list's inert builders, or touch a prototype. Globals that are not on the
 * allow-list stay opaque; dangerous ones are collected, and refused all at once.
 *
 * @param bytes the file or archive entry
 * @param start offset of the pickle's first byte
 * @throws Pth2tfjsError `truncated`, `corrupt`, `unsafe-global`, `unsupported` or `limit`, with the offset.
 */
export function verifyPickle(bytes: Uint8Array, start = 0): VerifiedPickle {
  return new Verifier(bytes, start).run();
}

class Verifier {
  private readonly cursor: PickleCursor;
  private readonly stack: Value[] = [];
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, Value>();
  private readonly integers = new Map<number, string>();
  private readonly calls = new Set<number>();
  private readonly opaque: NamedGlobal[] = [];
  private readonly refused: NamedGlobal[] = [];
  private protocol = 1;

  constructor(bytes: Uint8Array, start: number) {
    this.cursor = new PickleCursor(bytes, start);
  }

  run(): VerifiedPickle {
    try {
      this.walk();
    } catch (error) {
      if (isPth2tfjsError(error) && this.refused.length > 0) throw refusal(this.refused);
      throw error;
    }
    if (this.refused.length > 0) throw refusal(this.refused);
    const { protocol, integers, calls, opaque } = this;
    return { end: this.cursor.position, protocol, integers, calls, opaque };
  }

  private walk(): void {
    for (;;) {
      const step = this.cursor.next();
      if (step.opcode.name === 'STOP') break;
      this.apply(step);
    }
    this.pop();
  }

  /** The stack effect of one opcode. */
  private apply(step: Step): void {
    const { name, pushes } = step.opcode;
    if (pushes !== undefined) return this.push(pushes, step);
    switch (name) {
      case 'PROTO':
        return this.setProtocol(step.number);
      case 'FRAME':
        return;
      case 'POP':
        this.pop();
        return;
      case 'POP_MARK':
        this.popToMark();
        return;
      case 'DUP':
        this.stack.push(this.top());
        return;
      case 'BINPUT':
      case 'LONG_BINPUT':
        this.memo.set(step.number, this.top());
        return;
      case 'MEMOIZE':
        this.memo.set(this.memo.size, this.top());
        return;
      case 'BINGET':
      case 'LONG_BINGET':
        return this.get(step.number);
      case 'TUPLE':
        return this.pushTuple(this.popToMark());
      case 'TUPLE1':
      case 'TUPLE2':
      case 'TUPLE3':
        return this.pushTuple(this.popMany(Number(name.slice(-1))));
      case 'FROZENSET':
        this.popToMark();
        return this.pushKind('frozenset');
      case 'APPEND':
        this.pop();
        return this.expectTop(name, 'list', 'object');
      case 'APPENDS':
        return this.appends(name);
      case 'ADDITEMS':
        this.popToMark();
        return this.expectTop(name, 'set');
      case 'SETITEM':
        this.pop();
        this.pop();
        return this.expectTop(name, 'dict', 'ordered dict', 'object');
      case 'SETITEMS':
        return this.setItems(name);
      case 'GLOBAL':
        return this.global(step.text);
      case 'STACK_GLOBAL':
        return this.stackGlobal(name);
      case 'REDUCE':
      case 'NEWOBJ':
        return this.call(name, this.pop(), this.pop());
      case 'NEWOBJ_EX':
        return this.callWithKeywords(name);
      case 'OBJ':
        return this.callMarked(name);
      case 'INST':
        return this.callNamed(name, step.text);
      case 'BUILD':
        this.pop();
        return this.expectTop(name, 'ordered dict', 'object');
      case 'BINPERSID':
        return this.persistent(name, this.pop());
    }
  }

  private push(kind: Kind, step: Step): void {
    if (kind === 'mark') {
      this.marks.push(this.stack.length);
    } else if (kind === 'tuple') {
      this.pushTuple([]);
    } else if (kind === 'str') {
      this.stack.push({ kind, start: step.start, end: step.end });
    } else {
      if (kind === 'int') this.checkInteger(step);
      this.pushKind(kind);
    }
  }

  private checkInteger({ opcode: { name, argument }, number, text, start, end }: Step): void {
    if (argument === 'line' && !/^[+-]?\d{1,40}L?$/.test(text)) {
      const found = `${name} holds '${text.slice(0, 40)}'`;
      this.cursor.fail('corrupt', `${found}, not a number of up to 40 digits`);
    }
    if (name !== 'LONG1' && name !== 'LONG4') return;
    if (number > MAX_INTEGER_BYTES) this.cursor.fail('limit', `an integer of ${number} bytes`);
    const digits = this.cursor.bytes.subarray(start, end);
    const negative = ((digits.at(-1) ?? 0) & 0x80) !== 0;
    // pickleparser takes these for unsigned, refuses LONG1 beyond 8 bytes, complains on the console
    // beyond 53 bits, and makes a BigInt of every LONG4.
    if (negative || number > 6 || name === 'LONG4') {
      this.integers.set(this.cursor.at, signedInteger(digits).toString());
    }
  }

  private setProtocol(protocol: number): void {
    if (protocol > HIGHEST_PROTOCOL) {
      this.cursor.fail(
        'unsupported',
        `pickle protocol ${protocol} is newer than ${HIGHEST_PROTOCOL}`,
      );
    }
    this.protocol = protocol;
  }

  private pushKind(kind: Kind): void {
    this.stack.push({ kind });
  }

  private floor(): number {
    return this.marks.at(-1) ?? 0;
  }

  private top(): Value {
    if (this.stack.length <= this.floor())
      this.cursor.fail('corrupt', 'the pickle takes from an empty stack');
    return this.stack.at(-1) as Value;
  }

  private pop(): Value {
    const value = this.top();
    this.stack.pop();
    return value;
  }

  private popMany(count: number): Value[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  /** Drops the newest mark and all above it, which it returns. */
  private popToMark(): Value[] {
    const mark = this.marks.pop();
    if (mark === undefined)
      return this.cursor.fail('corrupt', 'the pickle looks for a mark that is not there');
    return this.stack.splice(mark);
  }

  private pushTuple(items: readonly Value[]): void {
    this.stack.push(tupleOf(items));
  }

  private appends(name: string): void {
    const { length } = this.popToMark();
    if (length > MAX_BATCH_ITEMS)
      this.cursor.fail('limit', `${length} items in one step of the pickle`);
    this.expectTop(name, 'list', 'object');
  }

  private get(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined)
      return this.cursor.fail('corrupt', `the pickle's memo has no entry ${index}`);
    this.stack.push(value);
  }

  private expect(name: string, { kind }: Value, ...kinds: Kind[]): void {
    if (!kinds.includes(kind)) {
      this.cursor.fail('corrupt', `${name} expects a ${kinds.join(' or ')}, found a ${kind}`);
    }
  }

  private expectTop(name: string, ...kinds: Kind[]): void {
    this.expect(name, this.top(), ...kinds);
  }

  private setItems(name: string): void {
    const { length } = this.popToMark();
    if (length % 2 !== 0) this.cursor.fail('corrupt', 'a key without a value in a dict');
    this.expectTop(name, 'dict', 'ordered dict', 'object');
  }

  private global(name: string): void {
    const known = ALLOWED_GLOBALS.get(name);
    if (known !== undefined) {
      const { call, makes } = known;
      this.stack.push(call === undefined ? { kind: 'constant' } : { kind: 'callable', makes });
      return;
    }
    const named = { name, offset: this.cursor.at };
    if (isDangerous(name) || !isPlausible(name)) this.refused.push(named);
    else if (!GETATTR.has(name)) this.opaque.push(named);
    this.stack.push({ kind: 'callable', makes: 'object', opaque: name });
  }

  private stackGlobal(name: string): void {
    const parts = [this.pop(), this.pop()].map((value) => {
      this.expect(name, value, 'str');
      return this.textOf(value);
    });
    this.global(`${parts[1]}.${parts[0]}`);
  }

  private textOf({ start = 0, end = 0 }: Value): string {
    return this.cursor.decode(start, Math.min(end, start + MAX_NAME_BYTES));
  }

  private call(name: string, args: Value, callee: Value): void {
    this.expect(name, args, 'tuple');
    this.expect(name, callee, 'callable', 'object');
    this.calls.add(this.cursor.at);
    if (callee.makes === 'tensor') this.checkTensorArguments(args.items);
    if (GETATTR.has(callee.opaque ?? '')) this.checkGetattr(callee, args.items ?? []);
    this.pushKind(callee.makes ?? 'object');
  }

  private callWithKeywords(name: string): void {
    this.expect(name, this.pop(), 'dict');
    const args = this.pop();
    const callee = this.pop();
    this.expectForeignCall(name, callee);
    this.call(name, args, callee);
  }

  /** The class lies below its arguments. */
  private callMarked(name: string): void {
    const [callee, ...args] = this.popToMark();
    if (callee === undefined) return this.cursor.fail('corrupt', `${name} without a class`);
    this.expectForeignCall(name, callee);
    this.call(name, tupleOf(args), callee);
  }

  /** The class is named by the opcode itself. */
  private callNamed(name: string, global: string): void {
    const args = tupleOf(this.popToMark());
    this.global(global);
    const callee = this.pop();
    this.expectForeignCall(name, callee);
    this.call(name, args, callee);
  }

  /** PyTorch never makes its own things in these ways. */
  private expectForeignCall(name: string, callee: Value): void {
    this.expect(name, callee, 'callable', 'object');
    if ((callee.makes ?? 'object') !== 'object')
      this.cursor.fail('unsupported', `torch.save never writes the opcode ${name} for this`);
  }

  /** getattr names something only on a thing that is opaque itself; else it is one way to anything. */
  private checkGetattr(callee: Value, [owner, name]: readonly Value[]): void {
    const opaque = owner?.kind === 'object' || owner?.opaque !== undefined;
    const attribute = name?.kind === 'str' ? this.textOf(name) : undefined;
    const path = `${owner?.opaque ?? 'object'}.${attribute}`;
    if (opaque && attribute !== undefined && isPlausible(path) && !isDangerous(path)) return;
    this.refused.push({ name: callee.opaque as string, offset: this.cursor.at });
  }

  /** A storage, or in legacy streams a module's class. */
  private persistent(name: string, id: Value): void {
    this.expect(name, id, 'tuple');
    const [tag, type] = id.items ?? [];
    if (tag?.kind !== 'str' || this.textOf(tag) !== 'module') return this.pushKind('storage');
    if (type === undefined) return this.cursor.fail('corrupt', 'a module without its class');
    this.stack.push(type);
  }

  /**
   * (storage, offset, size, stride, …): JavaScript has one type for Python's int and float, so that
   * only here can a size of 2.0 be told from one of 2.
   */
  private checkTensorArguments(args: readonly Value[] | undefined): void {
    if (args === undefined)
      return this.cursor.fail('corrupt', 'a tensor made of too many arguments');
    const [storage, offset, size, stride] = args;
    if (storage?.kind !== 'storage') return;
    const fits = offset?.kind === 'int' && size?.integers === true && stride?.integers === true;
    if (!fits) this.cursor.fail('corrupt', "a tensor's offset, size and stride must be integers");
  }
}

function tupleOf(items: readonly Value[]): Value {
  const integers = items.every(({ kind }) => kind === 'int');
  return items.length <= MAX_ARGUMENTS
    ? { kind: 'tuple', items, integers }
    : { kind: 'tuple', integers };
}

/** A little-endian two's complement integer. */
function signedInteger(digits: Uint8Array): bigint {
  const magnitude = digits.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  return BigInt.asIntN(digits.length * 8, magnitude);
}
