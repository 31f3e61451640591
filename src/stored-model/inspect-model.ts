import { isGraph, readFiles, readProvenance } from '../runtimes/tfjs/load.js';
import type { ModelFormat } from '../targets/formats.js';
import type { NamedBytes } from './artifacts.js';
import type { Provenance } from './provenance.js';

/** What a model of TensorFlow.js holds. */
export interface ModelInspection {
  readonly format: ModelFormat;
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
 * @throws Pth2tfjsError `model` when files are missing or short, or make no sense
 */
export function inspectModel(files: readonly NamedBytes[]): ModelInspection {
  const { specs } = readFiles(files);
  return {
    format: isGraph(files) ? 'graph' : 'layers',
    files: files.length,
    bytes: files.reduce((sum, { bytes }) => sum + bytes.length, 0),
    tensors: specs.map(({ name, dtype, quantization, shape }) => {
      return { key: name, dtype: quantization?.dtype ?? dtype, shape };
    }),
    provenance: readProvenance(files),
  };
}
