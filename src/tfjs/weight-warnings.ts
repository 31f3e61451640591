import type { io } from '@tensorflow/tfjs-core';
import { concatenate } from '../bytes.js';
import { faultWarnings, findFaults } from '../weight-faults.js';
import type { NamedBytes } from './artifacts.js';
import { readWeight } from './editable-model.js';
import { checkWeights, readFiles } from './load.js';
import { storedBytes } from './stored-bytes.js';

/**
 * What a user should know of a model's weights, one sentence each: those that are no numbers, infinite or
 * zeros alone, by name.
 * @throws Pth2tfjsError `model` when files are missing, short or something else
 */
export async function weightWarnings(files: readonly NamedBytes[]): Promise<string[]> {
  await checkWeights(files);
  const { specs, data } = readFiles(files);
  return faultWarnings(findFaults(readAll(specs, data)));
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
