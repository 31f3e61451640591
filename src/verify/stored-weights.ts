import { Pth2tfjsError } from '../base/errors.js';
import type { CheckpointSource } from '../checkpoint/checkpoint-file.js';
import { quantizationOf } from '../stored-model/editable-model.js';
import { dequantize, type Quantization } from '../stored-model/quantization.js';
import { quantize } from '../stored-model/quantize.js';
import type { StoredModel } from '../stored-model/stored-model.js';
import type { Golden } from './golden.js';
import { Laboratory } from './laboratory.js';
import { readWeights } from './read-weights.js';

/**
 * Compares what a model that `convert` wrote has stored with what converting its checkpoint gives, number
 * by number: a bit of a mantissa shows in no logits, but here. Other models, and checkpoints other than the
 * model's own, are let be.
 * @param checkpoint as `torch.save` wrote it, gzipped or not
 * @throws Pth2tfjsError `model` with the first weight that differs
 */
export async function checkStoredWeights(
  model: StoredModel,
  golden: Golden,
  checkpoint: CheckpointSource,
): Promise<void> {
  const { provenance, format } = model;
  if (!provenance?.source?.sha256 || format === 'graph') return;
  const weights = await readWeights(checkpoint, provenance);
  if (weights === null) return;
  const lab = new Laboratory(model, golden, 0, null, weights);
  const dtype = quantizationOf(lab.model);
  for (const [name, { data }] of lab.fromCheckpoint()?.weights ?? []) {
    const found = lab.model.weights.get(name)?.data;
    if (found !== undefined) compare(name, found, asStored(name, data, dtype));
  }
}

function asStored(name: string, data: Float32Array, dtype: Quantization | undefined): Float32Array {
  if (dtype === undefined || !name.endsWith('/kernel')) return data;
  const { bytes, spec } = quantize(name, data, dtype);
  return dequantize(bytes, spec);
}

function compare(name: string, found: Float32Array, expected: Float32Array): void {
  let [first, count] = [-1, 0];
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(found[i], expected[i]) || found[i] === expected[i]) continue;
    count++;
    if (first < 0) first = i;
  }
  if (count === 0) return;
  throw new Pth2tfjsError(
    'model',
    `the model's logits agree, but its weight ${name} is not what converting the checkpoint gives: ${count} of ${expected.length} numbers differ, the first is ${found[first]} instead of ${expected[first]}`,
    { hint: 'the stored weights have changed since; convert the checkpoint again' },
  );
}
