import type { DType } from './dtype.js';

/** What stands for Python's objects: values that hold what the pickle said, and do nothing. */

/** A Python object that is kept for what it is called, and never interpreted. */
export class OpaqueObject {
  state: unknown;

  constructor(
    readonly global: string,
    readonly args: readonly unknown[],
  ) {}

  /** Called for BUILD; keeps the state instead of assigning its keys as properties. */
  __setstate__(state: unknown): void {
    this.state = state;
  }
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
