import { u16, u32 } from '../container/little-endian.js';
import {
  Call,
  Float,
  Global,
  List,
  PersistentId,
  type PickleDict,
  type PickleObject,
  type PickleValue,
  Text,
} from './pickle-value.js';

/**
 * Pickle protocol 2, with the opcodes and the memo numbers that CPython's pickler gives.
 * Source: CPython 3.11, Modules/_pickle.c; Lib/pickletools.py describes the opcodes.
 */

/** Pickles one value. */
export function pickle(value: PickleValue): Uint8Array {
  const pickler = new Pickler();
  pickler.save(value);
  return pickler.finish();
}

/** The most items that one APPENDS or SETITEMS takes. */
const BATCH_SIZE = 1000;

function* batches<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += BATCH_SIZE) yield items.slice(at, at + BATCH_SIZE);
}

class Pickler {
  private readonly out: number[] = [0x80, 2];
  private readonly memo = new Map<PickleObject, number>();
  private memoSize = 0;

  finish(): Uint8Array {
    this.op('.');
    return Uint8Array.from(this.out);
  }

  save(value: PickleValue): void {
    if (value === null) this.op('N');
    else if (typeof value === 'boolean') this.out.push(value ? 0x88 : 0x89);
    else if (typeof value === 'number' || typeof value === 'bigint') this.saveInt(BigInt(value));
    else if (typeof value === 'string') {
      this.saveText(value);
      this.memoise();
    } else if (value instanceof Float) this.saveFloat(value);
    else if (value instanceof PersistentId) {
      this.save(value.id);
      this.op('Q');
    } else this.saveObject(value);
  }

  private saveObject(value: Exclude<PickleObject, Float | PersistentId>): void {
    const index = this.memo.get(value);
    if (index !== undefined) this.numbered('h', 'j', index);
    else if (value instanceof Text) {
      this.saveText(value.value);
      this.memoise(value);
    } else if (value instanceof Global) {
      this.op(`c${value.module}\n${value.name}\n`);
      this.memoise(value);
    } else if (value instanceof Call) this.saveCall(value);
    else if (value instanceof List) this.saveList(value);
    else if (value instanceof Map) this.saveDict(value as PickleDict);
    else this.saveTuple(value as readonly PickleValue[]);
  }

  /** Appends opcodes, and other text of ASCII. */
  private op(text: string): void {
    for (let i = 0; i < text.length; i++) this.out.push(text.charCodeAt(i));
  }

  /** An opcode that refers to the memo, in its short or its long form. */
  private numbered(short: string, long: string, index: number): void {
    this.op(index < 256 ? short : long);
    this.out.push(...(index < 256 ? [index] : u32(index)));
  }

  /** Numbers what was just written; the number of a plain string goes unused. */
  private memoise(value?: PickleObject): void {
    if (value !== undefined) this.memo.set(value, this.memoSize);
    this.numbered('q', 'r', this.memoSize++);
  }

  private saveInt(value: bigint): void {
    if (value === BigInt.asUintN(8, value)) this.out.push(0x4b, Number(value));
    else if (value === BigInt.asUintN(16, value)) this.out.push(0x4d, ...u16(Number(value)));
    else if (value === BigInt.asIntN(32, value)) this.out.push(0x4a, ...u32(Number(value)));
    else this.saveLong(value);
  }

  /** LONG1: as few bytes of two's complement as hold the value. */
  private saveLong(value: bigint): void {
    let length = 1;
    while (value !== BigInt.asIntN(8 * length, value)) length++;
    this.out.push(0x8a, length);
    for (let i = 0; i < length; i++) this.out.push(Number((value >> BigInt(8 * i)) & 0xffn));
  }

  private saveFloat({ value }: Float): void {
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setFloat64(0, value);
    this.op('G');
    this.out.push(...new Uint8Array(bytes.buffer));
  }

  private saveText(value: string): void {
    const utf8 = new TextEncoder().encode(value);
    this.op('X');
    this.out.push(...u32(utf8.length));
    for (const byte of utf8) this.out.push(byte);
  }

  private saveTuple(items: readonly PickleValue[]): void {
    if (items.length === 0) return this.op(')');
    if (items.length > 3) this.op('(');
    for (const item of items) this.save(item);
    this.out.push(items.length > 3 ? 0x74 : 0x84 + items.length);
    this.memoise(items);
  }

  private saveList(list: List): void {
    this.op(']');
    this.memoise(list);
    const [first, ...rest] = list.items;
    if (first !== undefined && rest.length === 0) {
      this.save(first);
      return this.op('a');
    }
    for (const batch of batches(list.items)) {
      this.op('(');
      for (const item of batch) this.save(item);
      this.op('e');
    }
  }

  private saveDict(dict: PickleDict): void {
    this.op('}');
    this.memoise(dict);
    this.saveEntries(dict);
  }

  private saveCall(call: Call): void {
    this.save(call.callable);
    this.save(call.args);
    this.op('R');
    this.memoise(call);
    this.saveEntries(call.entries);
    if (call.state === undefined) return;
    this.save(call.state);
    this.op('b');
  }

  private saveEntries(entries: PickleDict): void {
    for (const batch of batches([...entries])) {
      if (batch.length > 1) this.op('(');
      for (const item of batch.flat()) this.save(item);
      this.op(batch.length > 1 ? 'u' : 's');
    }
  }
}
