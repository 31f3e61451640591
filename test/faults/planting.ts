/** Ways to plant a fault in the weights of the sound pair's model. */
import { editBytes, editShards, editWeights, type Weight } from './files.js';
import type { FaultName, FaultRow, Sound } from './types.js';

export type Weights = ReadonlyMap<string, Weight>;

export const inWeights =
  (edit: (weights: Weights) => void) =>
  ({ plain: { files, golden } }: Sound) => ({ files: editWeights(files, edit), golden });

export const inBytes =
  (edit: (bytes: Uint8Array<ArrayBuffer>) => void) =>
  ({ plain: { files, golden } }: Sound) => ({ files: editBytes(files, edit), golden });

export const inShards =
  (edit: (shards: Uint8Array[]) => Uint8Array[]) =>
  ({ plain: { files, golden } }: Sound) => ({ files: editShards(files, edit), golden });

/** A fault of one weight: the error jumps in its layer, and the weight is what it is called after. */
export const inWeight = (id: string, what: string, name: string, edit: (weight: Weight) => void) =>
  [
    `${name} ${what}`,
    { id, where: name } as FaultName,
    inWeights((weights) => edit(weights.get(name) as Weight)),
    name.slice(0, name.lastIndexOf('/')),
  ] as const satisfies FaultRow;
