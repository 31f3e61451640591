import type { TfjsFormat } from '../targets/formats.js';
import type { Provenance } from './provenance.js';
import type { StoredModel } from './stored-model.js';

/** What a model of TensorFlow.js holds. */
export interface ModelInspection {
  readonly format: TfjsFormat;
  readonly files: number;
  /** Of all files together. */
  readonly bytes: number;
  /** The weights in the order of model.json; `dtype` is how they are stored. */
  readonly tensors: readonly {
    readonly key: string;
    readonly dtype: string;
    readonly shape: readonly number[];
  }[];
  /** What a model that `convert` wrote remembers of its source; null for others. */
  readonly provenance: Provenance | null;
}

/**
 * Tells what a model holds, without running it.
 * @throws Pth2tfjsError `model` where what it says of its source makes no sense
 */
export function inspectModel(model: StoredModel): ModelInspection {
  const { format, shards, bytes, specs, provenance } = model;
  return {
    format,
    files: 1 + shards.length,
    bytes,
    tensors: specs.map(({ name, dtype, quantization, shape }) => {
      return { key: name, dtype: quantization?.dtype ?? dtype, shape };
    }),
    provenance,
  };
}
