import type { Golden, NamedBytes } from '../../src/index.js';

/** A model and the golden file that it is held against. */
export interface Pair {
  readonly files: readonly NamedBytes[];
  readonly golden: Golden;
}

/** What faults are planted in: pairs that agree, and what else there is to build a fault from. */
export interface Sound {
  readonly plain: Pair;
  /** The same weights with `transform_input` on, in PyTorch and in the model. */
  readonly transformed: Pair;
  readonly checkpoint: Uint8Array;
  /** The checkpoint's tensors in float32, by their keys. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
  /** A golden file of `checkpoints.py`, by its name there. */
  readonly spoilt: (name: string) => Promise<Golden>;
}

/** What a fault ought to be called; `where` only where it is one tensor or one block. */
export interface FaultName {
  readonly id: string;
  readonly where?: string;
}

export interface Fault {
  readonly name: string;
  readonly place: 'model' | 'artifacts' | 'input' | 'golden';
  readonly plant: (sound: Sound) => Pair | Promise<Pair>;
  /** Null where the validator has no word for it: it must be caught, not named. */
  readonly nameable: FaultName | null;
  /** The layer where the error must jump first, for a fault that sits in one. */
  readonly jump?: string;
}

/** Faults of one place, each a name, its planting, what it is called, and where the error jumps. */
export type FaultRow = readonly [
  name: string,
  nameable: FaultName | null,
  plant: Fault['plant'],
  jump?: string,
];

/** Puts rows together to faults. */
export function faultsOf(place: Fault['place'], rows: readonly FaultRow[]): Fault[] {
  return rows.map(([name, nameable, plant, jump]) => ({
    name,
    place,
    plant,
    nameable,
    ...(jump === undefined ? {} : { jump }),
  }));
}
