import { Pth2tfjsError } from '../errors.js';
import { ALLOWED_GLOBALS, refuseGlobal } from './globals.js';
import { FOREIGN_OPCODES, type Kind, OPCODES, type Opcode } from './opcodes.js';

/**
 * Bounds on one pickle. That of GoogLeNet's 364 tensors has 13 thousand opcodes in 52 KB; a training
 * checkpoint adds an optimizer's state of twice that.
 */
export const MAX_PICKLE_BYTES = 2 ** 24;
export const MAX_OPCODES = 2_000_000;
/** CPython's pickler writes 1,000 items a batch; pickleparser spreads them over the call stack. */
const MAX_BATCH_ITEMS = 50_000;
const MAX_INTEGER_BYTES = 255;
const MAX_LINE_BYTES = 1024;
/** Longer tuples are no arguments of a call that matters here. */
const MAX_ARGUMENTS = 16;
const HIGHEST_PROTOCOL = 5;

/** What is known of a value before it exists: its kind, where a string lies, what a global makes. */
interface Value {
  readonly kind: Kind;
  readonly start?: number;
  readonly end?: number;
  readonly makes?: Kind;
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
}

/**
 * Walks one pickle without building anything and proves that the parser may run it: every argument
 * lies inside the bytes, the stack and the memo hold what each opcode takes from them, every global
 * is on the allow-list, and all counts are bounded. A pickle that passes cannot make the parser read
 * a value that is not there, call anything but the allow-list's inert builders, or touch a prototype.
 *
 * @param bytes the file or archive entry
 * @param start offset of the pickle's first byte
 * @throws Pth2tfjsError `truncated`, `corrupt`, `unsafe-global`, `unsupported` or `limit`, with the offset.
 */
export function verifyPickle(bytes: Uint8Array, start = 0): VerifiedPickle {
  return new Verifier(bytes, start).run();
}

class Verifier {
  private readonly view: DataView;
  private readonly stack: Value[] = [];
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, Value>();
  private readonly integers = new Map<number, string>();
  private protocol = 1;
  /** Offset of the opcode at work; errors name it. */
  private at: number;
  private position: number;
  private argStart = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly start: number,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = start;
    this.position = start;
  }

  run(): VerifiedPickle {
    for (let count = 0; ; count++) {
      this.at = this.position;
      if (count >= MAX_OPCODES) this.fail('limit', `the pickle has over ${MAX_OPCODES} opcodes`);
      if (this.position - this.start > MAX_PICKLE_BYTES) {
        this.fail('limit', `the pickle is longer than ${MAX_PICKLE_BYTES} bytes`);
      }
      const code = this.take(1, 'opcode');
      const opcode = OPCODES.get(this.bytes[code] as number) ?? this.refuseOpcode(code);
      const argument = this.readArgument(opcode);
      if (opcode.name === 'STOP') {
        this.pop();
        return { end: this.position, protocol: this.protocol, integers: this.integers };
      }
      this.apply(opcode, argument);
    }
  }

  private fail(code: 'truncated' | 'corrupt' | 'unsupported' | 'limit', message: string): never {
    const hint = code === 'truncated' ? { hint: 'the file is cut short; download it again' } : {};
    const where = `(pickle, byte ${this.at})`;
    throw new Pth2tfjsError(code, `${message} ${where}`, { offset: this.at, ...hint });
  }

  private refuseOpcode(at: number): never {
    const byte = this.bytes[at] as number;
    const name = FOREIGN_OPCODES.get(byte);
    if (name !== undefined) this.fail('unsupported', `torch.save never writes the opcode ${name}`);
    return this.fail('corrupt', `0x${byte.toString(16).padStart(2, '0')} is no pickle opcode`);
  }

  /** Moves over `count` bytes and returns where they start. */
  private take(count: number, what: string): number {
    const from = this.position;
    if (count > this.bytes.length - from) {
      this.fail(
        'truncated',
        `the ${what} takes ${count} bytes, ${this.bytes.length - from} are left`,
      );
    }
    this.position += count;
    return from;
  }

  private takeLine(what: string): string {
    const from = this.position;
    const end = this.bytes.subarray(from, from + MAX_LINE_BYTES).indexOf(0x0a);
    if (end < 0 && this.bytes.length - from > MAX_LINE_BYTES) {
      this.fail('limit', `the line of ${what} is longer than ${MAX_LINE_BYTES} bytes`);
    }
    if (end < 0) this.fail('truncated', `the line of ${what} has no end`);
    this.position += end + 1;
    return decode(this.bytes, from, from + end);
  }

  /** The opcode's number, or its text where that is a line; sets `argStart` for counted bytes. */
  private readArgument({ name, argument }: Opcode): number | string {
    switch (argument) {
      case 'none':
        return 0;
      case 'u1':
        return this.view.getUint8(this.take(1, name));
      case 'u2':
        return this.view.getUint16(this.take(2, name), true);
      case 'i4':
        return this.view.getInt32(this.take(4, name), true);
      case 'u4':
        return this.view.getUint32(this.take(4, name), true);
      case 'f8':
      case 'frame':
        return this.take(8, name);
      case 'line':
        return this.takeLine(name);
      case 'two-lines':
        return `${this.takeLine(name)}.${this.takeLine(name)}`;
      case 'counted-u1':
        return this.takeCounted(this.view.getUint8(this.take(1, name)), name);
      case 'counted-u4':
        return this.takeCounted(this.view.getUint32(this.take(4, name), true), name);
      case 'counted-u8':
        return this.takeCounted(Number(this.view.getBigUint64(this.take(8, name), true)), name);
    }
  }

  private takeCounted(count: number, name: string): number {
    if (name === 'LONG4' && count >= 2 ** 31) this.fail('corrupt', 'LONG4 has a negative length');
    this.argStart = this.take(count, name);
    return count;
  }

  /** The stack effect of one opcode. */
  private apply({ name, pushes }: Opcode, argument: number | string): void {
    if (pushes !== undefined) return this.push(name, pushes, argument);
    switch (name) {
      case 'PROTO':
        return this.setProtocol(argument as number);
      case 'FRAME':
        return;
      case 'POP':
        return this.popAny();
      case 'POP_MARK':
        this.popToMark();
        return;
      case 'DUP':
        this.stack.push(this.top());
        return;
      case 'BINPUT':
      case 'LONG_BINPUT':
        this.memo.set(argument as number, this.top());
        return;
      case 'MEMOIZE':
        this.memo.set(this.memo.size, this.top());
        return;
      case 'BINGET':
      case 'LONG_BINGET':
        return this.get(argument as number);
      case 'TUPLE':
        return this.pushTuple(this.popToMark());
      case 'TUPLE1':
      case 'TUPLE2':
      case 'TUPLE3':
        return this.pushTuple(this.popMany(Number(name.slice(-1))));
      case 'FROZENSET':
        this.popToMark();
        return this.pushKind('object');
      case 'APPEND':
        this.pop();
        return this.expectTop(name, 'list');
      case 'APPENDS':
        return this.appends(name);
      case 'ADDITEMS':
        this.popToMark();
        return this.expectTop(name, 'set');
      case 'SETITEM':
        this.pop();
        this.pop();
        return this.expectTop(name, 'dict', 'ordered dict');
      case 'SETITEMS':
        return this.setItems(name);
      case 'GLOBAL':
      case 'INST':
        return this.global(name, argument as string);
      case 'STACK_GLOBAL':
        return this.stackGlobal(name);
      case 'REDUCE':
      case 'NEWOBJ':
        return this.call(name);
      case 'BUILD':
        this.pop();
        return this.expectTop(name, 'ordered dict', 'object');
      case 'BINPERSID':
        this.expect(name, this.pop(), 'tuple');
        return this.pushKind('storage');
    }
  }

  private push(name: string, kind: Kind, argument: number | string): void {
    if (kind === 'mark') {
      this.marks.push(this.stack.length);
    } else if (kind === 'tuple') {
      this.pushTuple([]);
    } else if (kind === 'str') {
      this.stack.push({ kind, start: this.argStart, end: this.argStart + (argument as number) });
    } else {
      if (kind === 'int') this.checkInteger(name, argument);
      this.pushKind(kind);
    }
  }

  private checkInteger(name: string, argument: number | string): void {
    if (typeof argument === 'string') {
      if (!/^[+-]?\d{1,40}L?$/.test(argument)) {
        this.fail(
          'corrupt',
          `${name} holds '${argument.slice(0, 40)}', not a number of up to 40 digits`,
        );
      }
      return;
    }
    if (name !== 'LONG1' && name !== 'LONG4') return;
    if (argument > MAX_INTEGER_BYTES) this.fail('limit', `an integer of ${argument} bytes`);
    const digits = this.bytes.subarray(this.argStart, this.position);
    const negative = ((digits.at(-1) ?? 0) & 0x80) !== 0;
    // pickleparser takes these for unsigned, refuses LONG1 beyond 8 bytes, and beyond 53 bits
    // complains on the console.
    if (negative || argument > 6) this.integers.set(this.at, signedInteger(digits).toString());
  }

  private setProtocol(protocol: number): void {
    if (protocol > HIGHEST_PROTOCOL) {
      this.fail('unsupported', `pickle protocol ${protocol} is newer than ${HIGHEST_PROTOCOL}`);
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
      this.fail('corrupt', 'the pickle takes from an empty stack');
    return this.stack.at(-1) as Value;
  }

  private pop(): Value {
    const value = this.top();
    this.stack.pop();
    return value;
  }

  private popAny(): void {
    this.pop();
  }

  private popMany(count: number): Value[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  /** Drops the newest mark and all above it, which it returns. */
  private popToMark(): Value[] {
    const mark = this.marks.pop();
    if (mark === undefined)
      return this.fail('corrupt', 'the pickle looks for a mark that is not there');
    return this.stack.splice(mark);
  }

  private pushTuple(items: readonly Value[]): void {
    const kinds = items.map(({ kind }) => kind);
    const integers = kinds.every((kind) => kind === 'int');
    this.stack.push(
      kinds.length <= MAX_ARGUMENTS
        ? { kind: 'tuple', items, integers }
        : { kind: 'tuple', integers },
    );
  }

  private appends(name: string): void {
    const { length } = this.popToMark();
    if (length > MAX_BATCH_ITEMS) this.fail('limit', `${length} items in one step of the pickle`);
    this.expectTop(name, 'list');
  }

  private get(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) return this.fail('corrupt', `the pickle's memo has no entry ${index}`);
    this.stack.push(value);
  }

  private expect(name: string, { kind }: Value, ...kinds: Kind[]): void {
    if (!kinds.includes(kind)) {
      this.fail('corrupt', `${name} expects a ${kinds.join(' or ')}, found a ${kind}`);
    }
  }

  private expectTop(name: string, ...kinds: Kind[]): void {
    this.expect(name, this.top(), ...kinds);
  }

  private setItems(name: string): void {
    const { length } = this.popToMark();
    if (length % 2 !== 0) this.fail('corrupt', 'a key without a value in a dict');
    this.expectTop(name, 'dict', 'ordered dict');
  }

  private global(name: string, fullName: string): void {
    const known = ALLOWED_GLOBALS.get(fullName);
    if (known === undefined) return refuseGlobal(fullName, this.at);
    if (name === 'INST') this.fail('unsupported', `torch.save never writes the opcode ${name}`);
    this.stack.push(
      known.call === undefined ? { kind: 'constant' } : { kind: 'callable', makes: known.makes },
    );
  }

  private stackGlobal(name: string): void {
    const parts = [this.pop(), this.pop()].map((value) => {
      this.expect(name, value, 'str');
      return decode(
        this.bytes,
        value.start as number,
        Math.min(value.end as number, (value.start as number) + 512),
      );
    });
    this.global(name, `${parts[1]}.${parts[0]}`);
  }

  private call(name: string): void {
    const args = this.pop();
    this.expect(name, args, 'tuple');
    const callable = this.pop();
    this.expect(name, callable, 'callable');
    if (callable.makes === 'tensor') this.checkTensorArguments(args.items ?? []);
    this.pushKind(callable.makes as Kind);
  }

  /**
   * (storage, offset, size, stride, …): JavaScript has one type for Python's int and float, so that
   * only here can a size of 2.0 be told from one of 2.
   */
  private checkTensorArguments([storage, offset, size, stride]: readonly Value[]): void {
    if (storage?.kind !== 'storage') return;
    const fits = offset?.kind === 'int' && size?.integers === true && stride?.integers === true;
    if (!fits) this.fail('corrupt', "a tensor's offset, size and stride must be integers");
  }
}

function decode(bytes: Uint8Array, start: number, end: number): string {
  return new TextDecoder().decode(bytes.subarray(start, end));
}

/** A little-endian two's complement integer. */
function signedInteger(digits: Uint8Array): bigint {
  const magnitude = digits.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  return BigInt.asIntN(digits.length * 8, magnitude);
}
