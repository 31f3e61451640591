import type { io } from '@tensorflow/tfjs-core';
import { concatenate, HOST_IS_LITTLE_ENDIAN } from '../bytes.js';
import type { Provenance } from '../provenance.js';
import { type Quantization, quantize } from './quantize.js';

/** A file to be written: its name inside the model's folder, and what it holds. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** TensorFlow.js's convention; browsers cache files of this size. */
const SHARD_BYTES = 4 * 1024 * 1024;

export interface ArtifactsInput {
  readonly topology: io.ModelJSON['modelTopology'];
  readonly weights: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** All weights, in that order, without gaps. */
  readonly data: Float32Array;
  readonly provenance: Provenance;
  /** How to store the kernels; biases stay float32, for they are few. */
  readonly quantization?: Quantization | undefined;
}

/**
 * Lays a model out as the files that `tf.loadLayersModel` reads: `model.json` and weight shards of
 * 4 MB. The shards of float32 weights are views of `data`. The same input gives the same bytes.
 * Source of the format: tfjs-core's `io.ModelJSON` and its weights manifest.
 * @throws Pth2tfjsError `unsupported` as {@link quantize} does
 */
export function toArtifacts(input: ArtifactsInput): NamedBytes[] {
  const { data, manifest } = storeWeights(input);
  const count = Math.max(1, Math.ceil(data.length / SHARD_BYTES));
  const shards = Array.from({ length: count }, (_, i) => ({
    name: `group1-shard${i + 1}of${count}.bin`,
    bytes: data.subarray(i * SHARD_BYTES, (i + 1) * SHARD_BYTES),
  }));
  const modelJSON = {
    format: 'layers-model',
    generatedBy: input.provenance.tool,
    convertedBy: null,
    modelTopology: input.topology,
    weightsManifest: [
      {
        paths: shards.map(({ name }) => name),
        weights: manifest,
      },
    ],
    userDefinedMetadata: { pth2tfjs: input.provenance },
  };
  return [
    { name: 'model.json', bytes: new TextEncoder().encode(JSON.stringify(modelJSON)) },
    ...shards,
  ];
}

/** The weights as they lie in the files, one after the other, and what the manifest says of them. */
function storeWeights({ weights, data, quantization }: ArtifactsInput): {
  readonly data: Uint8Array;
  readonly manifest: readonly io.WeightsManifestEntry[];
} {
  const entry = ({ name, shape }: ArtifactsInput['weights'][number]) => ({
    name,
    shape: [...shape],
    dtype: 'float32' as const,
  });
  if (quantization === undefined) {
    return { data: littleEndianBytes(data), manifest: weights.map(entry) };
  }
  const parts: Uint8Array[] = [];
  let at = 0;
  const manifest = weights.map((weight) => {
    const start = at;
    at += weight.shape.reduce((product, size) => product * size, 1);
    const values = data.subarray(start, at);
    const isKernel = weight.name.endsWith('/kernel');
    if (!isKernel) {
      parts.push(littleEndianBytes(values));
      return entry(weight);
    }
    const { bytes, spec } = quantize(weight.name, values, quantization);
    parts.push(bytes);
    return { ...entry(weight), quantization: spec };
  });
  return { data: concatenate(parts), manifest };
}

function littleEndianBytes(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (HOST_IS_LITTLE_ENDIAN) return bytes;
  const view = new DataView(new ArrayBuffer(values.byteLength));
  for (const [i, value] of values.entries()) view.setFloat32(i * 4, value, true);
  return new Uint8Array(view.buffer);
}
