import { ALLOWED_GLOBALS, refuseGlobal } from './globals.js';
import type { Kind } from './opcodes.js';
import { PickleCursor, type Step } from './pickle-cursor.js';

/** CPython's pickler writes 1,000 items a batch; pickleparser spreads them over the call stack. */
const MAX_BATCH_ITEMS = 50_000;
const MAX_INTEGER_BYTES = 255;
/** Longer tuples are no arguments of a call that matters here. */
const MAX_ARGUMENTS = 16;
/** No name on the allow-list is nearly as long. */
const MAX_NAME_BYTES = 512;
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
  private readonly cursor: PickleCursor;
  private readonly stack: Value[] = [];
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, Value>();
  private readonly integers = new Map<number, string>();
  private protocol = 1;

  constructor(bytes: Uint8Array, start: number) {
    this.cursor = new PickleCursor(bytes, start);
  }

  run(): VerifiedPickle {
    for (;;) {
      const step = this.cursor.next();
      if (step.opcode.name === 'STOP') break;
      this.apply(step);
    }
    this.pop();
    return { end: this.cursor.position, protocol: this.protocol, integers: this.integers };
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
        return this.global(name, step.text);
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
    if (length > MAX_BATCH_ITEMS)
      this.cursor.fail('limit', `${length} items in one step of the pickle`);
    this.expectTop(name, 'list');
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
    this.expectTop(name, 'dict', 'ordered dict');
  }

  private global(name: string, fullName: string): void {
    const known = ALLOWED_GLOBALS.get(fullName);
    if (known === undefined) return refuseGlobal(fullName, this.cursor.at);
    if (name === 'INST')
      this.cursor.fail('unsupported', `torch.save never writes the opcode ${name}`);
    this.stack.push(
      known.call === undefined ? { kind: 'constant' } : { kind: 'callable', makes: known.makes },
    );
  }

  private stackGlobal(name: string): void {
    const parts = [this.pop(), this.pop()].map((value) => {
      this.expect(name, value, 'str');
      const { start = 0, end = 0 } = value;
      return this.cursor.decode(start, Math.min(end, start + MAX_NAME_BYTES));
    });
    this.global(name, `${parts[1]}.${parts[0]}`);
  }

  private call(name: string): void {
    const args = this.pop();
    this.expect(name, args, 'tuple');
    const callable = this.pop();
    this.expect(name, callable, 'callable');
    if (callable.makes === 'tensor') this.checkTensorArguments(args.items);
    this.pushKind(callable.makes as Kind);
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

/** A little-endian two's complement integer. */
function signedInteger(digits: Uint8Array): bigint {
  const magnitude = digits.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  return BigInt.asIntN(digits.length * 8, magnitude);
}
