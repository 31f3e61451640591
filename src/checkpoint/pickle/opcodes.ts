/**
 * The pickle opcodes that torch.save can write with pickle protocols 1 to 5, and what each expects.
 * Source: CPython's Lib/pickletools.py, which documents every opcode's argument and stack effect.
 */

/** How the bytes after an opcode are laid out. */
export type ArgumentFormat =
  | 'none'
  | 'u1'
  | 'u2'
  | 'i4'
  | 'u4'
  | 'f8'
  | 'frame'
  | 'line'
  | 'two-lines'
  | 'counted-u1'
  | 'counted-u4'
  | 'counted-u8';

/** What the verifier knows of a value on the stack. */
export type Kind =
  | 'none'
  | 'bool'
  | 'int'
  | 'float'
  | 'str'
  | 'bytes'
  | 'tuple'
  | 'list'
  | 'dict'
  | 'set'
  | 'frozenset'
  | 'mark'
  | 'constant'
  | 'callable'
  | 'ordered dict'
  | 'object'
  | 'tensor'
  | 'storage';

export interface Opcode {
  readonly name: string;
  readonly argument: ArgumentFormat;
  /** What the opcode pushes, when that is all it does. */
  readonly pushes?: Kind;
}

/** The fields of one opcode, as written in the table below. */
type Row = readonly [code: number, name: string, argument: ArgumentFormat, pushes?: Kind];

const ROWS: readonly Row[] = [
  [0x80, 'PROTO', 'u1'],
  [0x95, 'FRAME', 'frame'],
  [0x2e, 'STOP', 'none'],
  [0x28, 'MARK', 'none', 'mark'],
  [0x30, 'POP', 'none'],
  [0x31, 'POP_MARK', 'none'],
  [0x32, 'DUP', 'none'],
  [0x71, 'BINPUT', 'u1'],
  [0x72, 'LONG_BINPUT', 'u4'],
  [0x94, 'MEMOIZE', 'none'],
  [0x68, 'BINGET', 'u1'],
  [0x6a, 'LONG_BINGET', 'u4'],
  [0x4e, 'NONE', 'none', 'none'],
  [0x88, 'NEWTRUE', 'none', 'bool'],
  [0x89, 'NEWFALSE', 'none', 'bool'],
  [0x49, 'INT', 'line', 'int'],
  [0x4c, 'LONG', 'line', 'int'],
  [0x4a, 'BININT', 'i4', 'int'],
  [0x4b, 'BININT1', 'u1', 'int'],
  [0x4d, 'BININT2', 'u2', 'int'],
  [0x8a, 'LONG1', 'counted-u1', 'int'],
  [0x8b, 'LONG4', 'counted-u4', 'int'],
  [0x47, 'BINFLOAT', 'f8', 'float'],
  [0x42, 'BINBYTES', 'counted-u4', 'bytes'],
  [0x43, 'SHORT_BINBYTES', 'counted-u1', 'bytes'],
  [0x8e, 'BINBYTES8', 'counted-u8', 'bytes'],
  [0x96, 'BYTEARRAY8', 'counted-u8', 'bytes'],
  [0x54, 'BINSTRING', 'counted-u4', 'str'],
  [0x55, 'SHORT_BINSTRING', 'counted-u1', 'str'],
  [0x58, 'BINUNICODE', 'counted-u4', 'str'],
  [0x8c, 'SHORT_BINUNICODE', 'counted-u1', 'str'],
  [0x8d, 'BINUNICODE8', 'counted-u8', 'str'],
  [0x29, 'EMPTY_TUPLE', 'none', 'tuple'],
  [0x74, 'TUPLE', 'none'],
  [0x85, 'TUPLE1', 'none'],
  [0x86, 'TUPLE2', 'none'],
  [0x87, 'TUPLE3', 'none'],
  [0x5d, 'EMPTY_LIST', 'none', 'list'],
  [0x61, 'APPEND', 'none'],
  [0x65, 'APPENDS', 'none'],
  [0x7d, 'EMPTY_DICT', 'none', 'dict'],
  [0x73, 'SETITEM', 'none'],
  [0x75, 'SETITEMS', 'none'],
  [0x8f, 'EMPTY_SET', 'none', 'set'],
  [0x90, 'ADDITEMS', 'none'],
  [0x91, 'FROZENSET', 'none'],
  [0x63, 'GLOBAL', 'two-lines'],
  [0x93, 'STACK_GLOBAL', 'none'],
  [0x69, 'INST', 'two-lines'],
  [0x52, 'REDUCE', 'none'],
  [0x81, 'NEWOBJ', 'none'],
  [0x92, 'NEWOBJ_EX', 'none'],
  [0x6f, 'OBJ', 'none'],
  [0x62, 'BUILD', 'none'],
  [0x51, 'BINPERSID', 'none'],
];

/** Valid opcodes that torch.save never writes: protocol 0's texts, and extensions to the format. */
const FOREIGN_ROWS: readonly Row[] = [
  [0x46, 'FLOAT', 'line'],
  [0x53, 'STRING', 'line'],
  [0x56, 'UNICODE', 'line'],
  [0x67, 'GET', 'line'],
  [0x70, 'PUT', 'line'],
  [0x6c, 'LIST', 'none'],
  [0x64, 'DICT', 'none'],
  [0x50, 'PERSID', 'line'],
  [0x82, 'EXT1', 'u1'],
  [0x83, 'EXT2', 'u2'],
  [0x84, 'EXT4', 'i4'],
  [0x97, 'NEXT_BUFFER', 'none'],
  [0x98, 'READONLY_BUFFER', 'none'],
];

function byCode(rows: readonly Row[]): ReadonlyMap<number, Opcode> {
  return new Map(
    rows.map(([code, name, argument, pushes]) => [
      code,
      pushes === undefined ? { name, argument } : { name, argument, pushes },
    ]),
  );
}

/** Opcodes by their byte. */
export const OPCODES = byCode(ROWS);

/** The other opcodes of the pickle format, by their byte. */
export const FOREIGN_OPCODES = byCode(FOREIGN_ROWS);

/** Every opcode of the pickle format, by its byte. */
export const ALL_OPCODES: ReadonlyMap<number, Opcode> = new Map([...OPCODES, ...FOREIGN_OPCODES]);
