import type { ModelFormat } from '../targets/formats.js';
import type { Provenance } from './provenance.js';
import type { AnyModel } from './stored-onnx.js';

/** What a converted model holds. */
export interface ModelInspection {
  readonly format: ModelFormat;
  readonly files: number;
  /** Of all files together. */
  readonly bytes: number;
  /** The weights in the order in which they are stored; `dtype` is how they are stored. */
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
export function inspectModel(model: AnyModel): ModelInspection {
  const { format, bytes, provenance } = model;
  if (model.format === 'onnx') {
    const tensors = [...model.model.tensors.values()].map(({ name, type, shape }) => {
      return { key: name, dtype: type ?? 'another type', shape };
    });
    return { format, files: 1, bytes, tensors, provenance };
  }
  const { shards, specs } = model;
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
