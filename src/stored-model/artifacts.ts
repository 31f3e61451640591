import type { io } from '@tensorflow/tfjs-core';
import { concatenate, HOST_IS_LITTLE_ENDIAN } from '../base/bytes.js';
import { numel } from '../numbers/shape.js';
import type { Constant } from '../targets/constant.js';
import type { Provenance } from './provenance.js';
import type { Quantization } from './quantization.js';
import { quantize } from './quantize.js';

/** A file to be written: its name inside the model's folder, and what it holds. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** TensorFlow.js's convention; browsers cache files of this size. */
const SHARD_BYTES = 4 * 1024 * 1024;

export interface ArtifactsInput {
  /** As `tf.loadLayersModel` or `tf.loadGraphModel` takes it. */
  readonly format: 'layers-model' | 'graph-model';
  readonly topology: io.ModelJSON['modelTopology'];
  /** A graph's inputs and outputs. */
  readonly signature?: object | undefined;
  readonly weights: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** All weights, in that order, without gaps. */
  readonly data: Float32Array;
  /** Stored after the weights. */
  readonly constants?: readonly Constant[] | undefined;
  readonly provenance: Provenance;
  /** How to store the kernels; biases stay float32, for they are few. */
  readonly quantization?: Quantization | undefined;
}

/**
 * Lays a model out as the files that TensorFlow.js loads: `model.json` and weight shards of
 * 4 MB. The shards of float32 weights are views of `data`. The same input gives the same bytes.
 * Source of the format: tfjs-core's `io.ModelJSON` and its weights manifest.
 * @throws Pth2tfjsError `unsupported` as {@link quantize} does
 */
export function toArtifacts(input: ArtifactsInput): NamedBytes[] {
  const { data, manifest } = storeWeights(input);
  const shards = splitIntoShards(data);
  const modelJSON = {
    format: input.format,
    generatedBy: input.provenance.tool,
    convertedBy: null,
    ...(input.signature === undefined ? {} : { signature: input.signature }),
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

/** The weight files, as views of all that they hold. */
function splitIntoShards(data: Uint8Array): NamedBytes[] {
  const count = Math.max(1, Math.ceil(data.length / SHARD_BYTES));
  return Array.from({ length: count }, (_, i) => ({
    name: `group1-shard${i + 1}of${count}.bin`,
    bytes: data.subarray(i * SHARD_BYTES, (i + 1) * SHARD_BYTES),
  }));
}

/**
 * Gives the weight files of a model whose weights are stored as they are, while these are still being made:
 * what {@link toArtifacts} makes of them in the end.
 * @returns to be told how many numbers of the data are final, from its start
 */
export function earlyShards(
  { constants = [], quantization }: Pick<ArtifactsInput, 'constants' | 'quantization'>,
  give: (shard: NamedBytes) => void,
): (data: Float32Array, count: number) => void {
  let waiting: NamedBytes[] | undefined;
  return (data, count) => {
    if (quantization !== undefined || constants.length > 0 || !HOST_IS_LITTLE_ENDIAN) return;
    waiting ??= splitIntoShards(littleEndianBytes(data));
    const reached = data.byteOffset + 4 * count;
    while (waiting[0] !== undefined && endOf(waiting[0].bytes) <= reached) {
      give(waiting[0]);
      waiting.shift();
    }
  };
}

const endOf = ({ byteOffset, length }: Uint8Array) => byteOffset + length;

/** What lies in the weight files, one after the other, and what the manifest says of it. */
interface Stored {
  readonly data: Uint8Array;
  readonly manifest: readonly io.WeightsManifestEntry[];
}

function storeWeights(input: ArtifactsInput): Stored {
  const { weights, data, constants = [], quantization } = input;
  if (quantization === undefined && constants.length === 0) {
    return {
      data: littleEndianBytes(data),
      manifest: weights.map(({ name, shape }) => ({ name, shape: [...shape], dtype: 'float32' })),
    };
  }
  let at = 0;
  const stored = weights.map(({ name, shape }) => {
    const start = at;
    at += numel(shape);
    return storeWeight(name, shape, data.subarray(start, at), quantization);
  });
  const all = [...stored, ...constants.map(storeConstant)];
  return {
    data: concatenate(all.map((each) => each.data)),
    manifest: all.flatMap(({ manifest }) => manifest),
  };
}

function storeWeight(
  name: string,
  shape: readonly number[],
  values: Float32Array,
  quantization: Quantization | undefined,
): Stored {
  const entry = { name, shape: [...shape], dtype: 'float32' as const };
  if (quantization === undefined || !name.endsWith('/kernel')) {
    return { data: littleEndianBytes(values), manifest: [entry] };
  }
  const { bytes, spec } = quantize(name, values, quantization);
  return { data: bytes, manifest: [{ ...entry, quantization: spec }] };
}

function storeConstant({ name, shape, dtype, values }: Constant): Stored {
  const array = dtype === 'int32' ? Int32Array.from(values) : Float32Array.from(values);
  return { data: littleEndianBytes(array), manifest: [{ name, shape: [...shape], dtype }] };
}

export function littleEndianBytes(values: Float32Array | Int32Array): Uint8Array {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (HOST_IS_LITTLE_ENDIAN) return bytes;
  const swapped = bytes.slice();
  for (let i = 0; i < swapped.length; i += 4) swapped.subarray(i, i + 4).reverse();
  return swapped;
}
