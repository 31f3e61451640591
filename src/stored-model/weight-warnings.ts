import type { io } from '@tensorflow/tfjs-core';
import { faultWarnings, findFaults, type WeightFaults } from '../network/weight-faults.js';
import { readWeight } from './editable-model.js';
import { dequantize } from './quantization.js';
import { COPY_AGAIN, describeSpoilt, findSpoiltShards, weightsIn } from './spoilt-shards.js';
import { readTensors, storedBytes } from './stored-bytes.js';
import type { AnyModel, StoredOnnx } from './stored-onnx.js';

/**
 * What a user should know of a model's weights, one sentence each: files that are zeros alone or big-endian,
 * and weights that are no numbers, infinite or zeros alone, by name.
 */
export function weightWarnings(model: AnyModel): string[] {
  if (model.format === 'onnx') return faultWarnings(findFaults(onnxFloats(model)));
  const { specs, shards } = model;
  const parts = shards.map(({ bytes }) => bytes);
  const faults = findFaults(readFloats(specs, parts));
  const spoilt = faults.allZero ? [] : findSpoiltShards(model);
  const inside = weightsIn(model, new Set(spoilt.map(({ name }) => name)));
  return [
    ...spoilt.map((each) => `${describeSpoilt(each)}; ${COPY_AGAIN}`),
    // What a whole file is spoilt by needs no list of its tensors.
    ...faultWarnings(without(faults, inside)),
  ];
}

function* onnxFloats({ model }: StoredOnnx): Generator<[string, Float32Array]> {
  for (const [name, { type, bytes }] of model.tensors) {
    if (type === 'float16') yield [name, dequantize(bytes, { dtype: type })];
    if (type === 'float32') yield [name, readWeight({}, bytes.slice())];
  }
}

function without(faults: WeightFaults, names: ReadonlySet<string>): WeightFaults {
  const others = (all: readonly string[]) => all.filter((name) => !names.has(name));
  const { nonFinite, negative, zero } = faults;
  return {
    ...faults,
    nonFinite: others(nonFinite),
    negative: others(negative),
    zero: others(zero),
  };
}

/** The same of what a handler of TensorFlow.js loads. */
export function artifactWarnings({ weightSpecs = [], weightData }: io.ModelArtifacts): string[] {
  if (weightData === undefined) return [];
  const buffers = Array.isArray(weightData) ? weightData : [weightData];
  const parts = buffers.map((buffer) => new Uint8Array(buffer));
  const expected = weightSpecs.reduce((sum, spec) => sum + storedBytes(spec), 0);
  // Whatever else handlers may hold is for TensorFlow.js to judge.
  if (expected !== parts.reduce((sum, { length }) => sum + length, 0)) return [];
  return faultWarnings(findFaults(readFloats(weightSpecs, parts)));
}

function* readFloats(
  specs: readonly io.WeightsManifestEntry[],
  parts: readonly Uint8Array[],
): Generator<[string, Float32Array]> {
  for (const [spec, bytes] of readTensors(specs, parts)) {
    if (spec.dtype === 'float32') yield [spec.name, readWeight(spec, bytes)];
  }
}
