import type { io } from '@tensorflow/tfjs-core';
import { concatenate } from '../base/bytes.js';
import { faultWarnings, findFaults, type WeightFaults } from '../network/weight-faults.js';
import { checkWeights, readFiles } from '../runtimes/tfjs/load.js';
import type { NamedBytes } from './artifacts.js';
import { readWeight } from './editable-model.js';
import { COPY_AGAIN, describeSpoilt, findSpoiltShards, weightsIn } from './spoilt-shards.js';
import { storedBytes } from './stored-bytes.js';

/**
 * What a user should know of a model's weights, one sentence each: files that are zeros alone or big-endian,
 * and weights that are no numbers, infinite or zeros alone, by name.
 * @throws Pth2tfjsError `model` when files are missing, short or something else
 */
export async function weightWarnings(files: readonly NamedBytes[]): Promise<string[]> {
  await checkWeights(files);
  const { specs, data } = readFiles(files);
  const faults = findFaults(readAll(specs, data));
  const spoilt = faults.allZero ? [] : findSpoiltShards(files);
  const inside = weightsIn(files, new Set(spoilt.map(({ name }) => name)));
  return [
    ...spoilt.map((each) => `${describeSpoilt(each)}; ${COPY_AGAIN}`),
    // What a whole file is spoilt by needs no list of its tensors.
    ...faultWarnings(without(faults, inside)),
  ];
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
  const data = concatenate(buffers.map((buffer) => new Uint8Array(buffer)));
  const expected = weightSpecs.reduce((sum, spec) => sum + storedBytes(spec), 0);
  // Whatever else handlers may hold is for TensorFlow.js to judge.
  if (expected !== data.length) return [];
  return faultWarnings(findFaults(readAll(weightSpecs, data)));
}

function* readAll(
  specs: readonly io.WeightsManifestEntry[],
  data: Uint8Array<ArrayBuffer>,
): Generator<[string, Float32Array]> {
  let at = 0;
  for (const spec of specs) {
    const end = at + storedBytes(spec);
    if (spec.dtype === 'float32') yield [spec.name, readWeight(spec, data.slice(at, end))];
    at = end;
  }
}
