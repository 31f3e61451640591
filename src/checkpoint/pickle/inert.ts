import type { DType } from '../tensor/dtype.js';
import type { Budget } from './budget.js';

/** What stands for Python's objects: values that hold what the pickle said, and do nothing. */

/** A Python class or function that has no meaning here, named but not called. */
export class OpaqueGlobal {
  constructor(readonly global: string) {}
}

/** What makes a value that cannot be read as the tensor that Python would make of it. */
export interface Unreadable {
  /** The thing, with its article, such as `a sparse tensor`. */
  readonly what: string;
  readonly hint: string;
}

/**
 * A Python object that is kept for what the pickle says of it, and never interpreted: the name of what
 * was called, the arguments, what was appended and set, and the state.
 */
export class OpaqueObject {
  readonly items: unknown[] = [];
  readonly entries = new Map<unknown, unknown>();
  state: unknown;

  constructor(
    readonly global: string,
    readonly args: readonly unknown[],
    /** Whether the allow-list has the name, so that nobody needs to be told of it. */
    readonly known = false,
    readonly unreadable?: Unreadable,
    /** Keyword arguments, which NEWOBJ_EX brings. */
    readonly keywords?: unknown,
  ) {}

  /** Called for BUILD; keeps the state instead of assigning its keys as properties. */
  __setstate__(state: unknown): void {
    this.state = state;
  }

  /** Called for APPEND and APPENDS. */
  push(...items: unknown[]): void {
    for (const item of items) this.items.push(item);
  }

  /** Called for SETITEM and SETITEMS. */
  set(key: unknown, value: unknown): void {
    this.entries.set(key, value);
  }
}

/** A global of the allow-list that a pickle may call. */
export class CallableGlobal {
  constructor(
    readonly global: string,
    readonly call: (args: readonly unknown[], budget: Budget) => unknown,
  ) {}
}

/** collections.OrderedDict and its kin. Attributes such as a state dict's `_metadata` stay apart. */
export class OrderedDict extends Map<unknown, unknown> {
  attributes: unknown;

  /** Called for BUILD; pickleparser would copy a `__dict__` into the entries. */
  __setstate__(state: unknown): void {
    this.attributes = state;
  }
}

/** A storage class such as torch.FloatStorage, which says how a storage's bytes are read. */
export class StorageType {
  constructor(readonly dtype: DType | undefined) {}
}

/** A dtype object such as torch.float32. */
export class DTypeConstant {
  constructor(readonly dtype: DType) {}
}

/** The class or function behind an opaque value, such as `fastai.learner.Learner`. */
export function opaqueName(value: OpaqueObject | OpaqueGlobal): string {
  if (value instanceof OpaqueGlobal) return value.global;
  const [first] = value.args;
  const named = first instanceof OpaqueGlobal || first instanceof CallableGlobal;
  if (MAKERS.has(value.global) && named) return first.global;
  if (first instanceof OpaqueObject && value.global === PARTIAL) return opaqueName(first);
  if (GETATTR.has(value.global) && (named || first instanceof OpaqueObject)) {
    const owner = first instanceof OpaqueObject ? opaqueName(first) : first.global;
    const attribute = String(value.args[1]);
    return attribute === '__new__' ? owner : `${owner}.${attribute}`;
  }
  return value.global;
}

/** Python's functions that make an object of the class that they are given. */
const MAKERS = new Set(
  ['_reconstructor', '__newobj__', '__newobj_ex__'].flatMap((name) => [
    `copyreg.${name}`,
    `copy_reg.${name}`,
  ]),
);
const PARTIAL = 'functools.partial';

/** Python 3 has it in `builtins`, Python 2 in `__builtin__`. */
export const GETATTR: ReadonlySet<string> = new Set(['builtins.getattr', '__builtin__.getattr']);
