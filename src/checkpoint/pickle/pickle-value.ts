/**
 * What can be pickled. An array is a tuple, a Map a dict, a whole number an int. CPython's pickler
 * writes the same object once, and refers to it from then on; so does ours. JavaScript's strings have
 * no identity, so a plain one is written anew each time, and a {@link Text} once.
 */
export type PickleValue = null | boolean | number | bigint | string | PickleObject;

/** Those values that have an identity. */
export type PickleObject =
  | Text
  | Float
  | List
  | Global
  | Call
  | PersistentId
  | readonly PickleValue[]
  | PickleDict;

export type PickleDict = ReadonlyMap<string | Text, PickleValue>;

/** A str that is one object wherever it is used. */
export class Text {
  constructor(readonly value: string) {}
}

export class Float {
  constructor(readonly value: number) {}
}

export class List {
  constructor(readonly items: readonly PickleValue[]) {}
}

/** A class, function or constant, by where it is imported from. */
export class Global {
  constructor(
    readonly module: string,
    readonly name: string,
  ) {}
}

/** An object as its `__reduce_ex__` describes it: a call, entries of a dict, a state for BUILD. */
export class Call {
  constructor(
    readonly callable: Global,
    readonly args: readonly PickleValue[],
    readonly entries: PickleDict = new Map(),
    readonly state?: PickleValue,
  ) {}
}

/** An object that lies outside of the pickle, by the id that finds it. */
export class PersistentId {
  constructor(readonly id: PickleValue) {}
}
