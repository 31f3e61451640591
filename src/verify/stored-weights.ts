import type { io } from '@tensorflow/tfjs-core';
import { Pth2tfjsError } from '../base/errors.js';
import { type CheckpointSource, openCheckpoint } from '../checkpoint/checkpoint-file.js';
import { convertCheckpoint } from '../convert.js';
import type { NamedBytes } from '../stored-model/artifacts.js';
import { readWeight } from '../stored-model/editable-model.js';
import { openAnyModel } from '../stored-model/open-any.js';
import type { Provenance } from '../stored-model/provenance.js';
import { readTensors } from '../stored-model/stored-bytes.js';
import type { StoredModel } from '../stored-model/stored-model.js';
import type { AnyModel } from '../stored-model/stored-onnx.js';
import { keyOf } from './read-weights.js';

/**
 * Compares what a model that `convert` wrote has stored with what converting its checkpoint gives, byte by
 * byte: a bit of a mantissa shows in no logits, but here. Other models, and checkpoints other than the
 * model's own, are let be.
 * @param checkpoint as `torch.save` wrote it, gzipped or not
 * @throws Pth2tfjsError `model` with the first weight that differs
 */
export async function checkStoredWeights(
  model: AnyModel,
  checkpoint: CheckpointSource,
): Promise<void> {
  const { provenance } = model;
  const made = provenance?.source?.sha256;
  const opened = openCheckpoint(checkpoint);
  if (!provenance || !made || made !== (await opened.sha256())) return;
  const { files } = await convertCheckpoint(opened, optionsOf(provenance));
  if (model.format !== 'onnx' && sameShards(model, files)) return;
  const anew = openAnyModel(files);
  const stored = new Map(tensorsOf(model));
  for (const [name, expected] of tensorsOf(anew)) {
    const found = stored.get(name);
    if (found !== undefined) compare(name, found, expected);
  }
}

/** The usual case, which needs no look at the tensors one by one. */
function sameShards({ shards }: StoredModel, files: readonly NamedBytes[]): boolean {
  const bytesOf = new Map(files.map(({ name, bytes }) => [name, bytes]));
  return shards.every(({ name, bytes }) => sameBytes(bytes, bytesOf.get(name) ?? NOTHING));
}

const NOTHING = new Uint8Array();

/** What the checkpoint was converted with. */
function optionsOf({ format, input, transformInput, quantization, ...rest }: Provenance) {
  const { kind, shape } = input;
  return {
    format,
    input: kind,
    quantization,
    transformInput,
    imageSize: shape[2],
    trainable: rest.training !== undefined,
    key: keyOf(rest.stateDict),
  };
}

/** A tensor as it is stored, and the numbers that a runtime makes of it. */
interface Stored {
  readonly bytes: Uint8Array;
  readonly values: () => Float32Array | Int32Array;
}

function* tensorsOf(model: AnyModel): Generator<readonly [name: string, Stored]> {
  if (model.format === 'onnx') {
    for (const [name, { bytes, type }] of model.model.tensors) {
      const half = type === 'float16';
      const spec = half ? { quantization: { dtype: 'float16' as const } } : {};
      yield [name, { bytes, values: () => valuesOf({ dtype: 'float32', ...spec }, bytes) }];
    }
    return;
  }
  const parts = model.shards.map(({ bytes }) => bytes);
  for (const [spec, bytes] of readTensors(model.specs, parts)) {
    yield [spec.name, { bytes, values: () => valuesOf(spec, bytes) }];
  }
}

function valuesOf(
  spec: Pick<io.WeightsManifestEntry, 'dtype' | 'quantization'>,
  bytes: Uint8Array,
): Float32Array | Int32Array {
  const values = readWeight(spec, bytes.slice());
  return spec.dtype === 'int32' ? new Int32Array(values.buffer) : values;
}

function compare(name: string, found: Stored, expected: Stored): void {
  if (sameBytes(found.bytes, expected.bytes)) return;
  const [actual, right] = [found.values(), expected.values()];
  let [first, count] = [-1, 0];
  for (let i = 0; i < right.length; i++) {
    if (Object.is(actual[i], right[i])) continue;
    count++;
    if (first < 0) first = i;
  }
  const numbers = `${count} of ${right.length} numbers differ`;
  const what =
    first < 0
      ? 'it is stored otherwise'
      : `${numbers}, the first is ${actual[first]} instead of ${right[first]}`;
  throw new Pth2tfjsError(
    'model',
    `the model's logits agree, but its weight ${name} is not what converting the checkpoint gives: ${what}`,
    { hint: 'the stored weights have changed since; convert the checkpoint again' },
  );
}

/** The sign of a zero counts, too: nothing that converts changes it. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
