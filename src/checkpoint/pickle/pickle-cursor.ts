import { Pth2tfjsError } from '../../base/errors.js';
import { FOREIGN_OPCODES, OPCODES, type Opcode } from './opcodes.js';

/**
 * Bounds on one pickle. That of GoogLeNet's 364 tensors has 13 thousand opcodes in 52 KB; a training
 * checkpoint adds an optimizer's state of twice that. Tensors that were saved on a TPU lie in the pickle
 * itself, as text of up to twice their size.
 */
export const MAX_PICKLE_BYTES = 2 ** 28;
export const MAX_OPCODES = 500_000;
const MAX_LINE_BYTES = 1024;

/** One opcode with its argument. */
export interface Step {
  readonly opcode: Opcode;
  /** The argument's value, or the length of counted bytes. */
  readonly number: number;
  /** The argument's lines joined by dots, for the opcodes that have some. */
  readonly text: string;
  /** Where counted bytes lie. */
  readonly start: number;
  readonly end: number;
}

/** Steps through a pickle's opcodes; each argument lies inside the bytes, or it is an error. */
export class PickleCursor {
  /** Offset of the opcode last read; errors name it. */
  at: number;
  /** Offset of the byte behind it and its argument. */
  position: number;
  private readonly view: DataView;
  private count = 0;

  constructor(
    readonly bytes: Uint8Array,
    private readonly start: number,
    private readonly opcodes: ReadonlyMap<number, Opcode> = OPCODES,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = start;
    this.position = start;
  }

  /** @throws Pth2tfjsError `truncated`, `corrupt`, `unsupported` or `limit`, with the offset. */
  next(): Step {
    this.at = this.position;
    if (++this.count > MAX_OPCODES)
      this.fail('limit', `the pickle has over ${MAX_OPCODES} opcodes`);
    if (this.position - this.start > MAX_PICKLE_BYTES) {
      this.fail('limit', `the pickle is longer than ${MAX_PICKLE_BYTES} bytes`);
    }
    const code = this.bytes[this.take(1, 'opcode')] as number;
    const opcode = this.opcodes.get(code) ?? this.refuse(code);
    return { opcode, ...this.readArgument(opcode) };
  }

  fail(code: 'truncated' | 'corrupt' | 'unsupported' | 'limit', message: string): never {
    const hint = code === 'truncated' ? { hint: 'the file is cut short; download it again' } : {};
    const where = `(pickle, byte ${this.at})`;
    throw new Pth2tfjsError(code, `${message} ${where}`, { offset: this.at, ...hint });
  }

  /** UTF-8 text in the bytes, a leading byte order mark included. */
  decode(start: number, end: number): string {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(this.bytes.subarray(start, end));
  }

  private refuse(code: number): never {
    const name = FOREIGN_OPCODES.get(code)?.name;
    if (name !== undefined) this.fail('unsupported', `torch.save never writes the opcode ${name}`);
    return this.fail('corrupt', `0x${code.toString(16).padStart(2, '0')} is no pickle opcode`);
  }

  /** Moves over `count` bytes and returns where they start. */
  private take(count: number, what: string): number {
    const from = this.position;
    const left = this.bytes.length - from;
    if (count > left) this.fail('truncated', `the ${what} takes ${count} bytes, ${left} are left`);
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
    return this.decode(from, from + end);
  }

  private readArgument({ name, argument }: Opcode): Omit<Step, 'opcode'> {
    switch (argument) {
      case 'none':
        return this.plain(0);
      case 'u1':
        return this.plain(this.view.getUint8(this.take(1, name)));
      case 'u2':
        return this.plain(this.view.getUint16(this.take(2, name), true));
      case 'i4':
        return this.plain(this.view.getInt32(this.take(4, name), true));
      case 'u4':
        return this.plain(this.view.getUint32(this.take(4, name), true));
      case 'f8':
      case 'frame':
        return this.plain(this.take(8, name));
      case 'line':
        return this.plain(0, this.takeLine(name));
      case 'two-lines':
        return this.plain(0, `${this.takeLine(name)}.${this.takeLine(name)}`);
      case 'counted-u1':
        return this.counted(this.view.getUint8(this.take(1, name)), name);
      case 'counted-u4':
        return this.counted(this.view.getUint32(this.take(4, name), true), name);
      case 'counted-u8':
        return this.counted(Number(this.view.getBigUint64(this.take(8, name), true)), name);
    }
  }

  private plain(number: number, text = ''): Omit<Step, 'opcode'> {
    return { number, text, start: this.position, end: this.position };
  }

  private counted(count: number, name: string): Omit<Step, 'opcode'> {
    if (name === 'LONG4' && count >= 2 ** 31) this.fail('corrupt', 'LONG4 has a negative length');
    const start = this.take(count, name);
    return { number: count, text: '', start, end: this.position };
  }
}
