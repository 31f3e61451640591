import { type EditableModel, quantizationOf } from '../../tfjs/editable-model.js';
import { dequantize, type Quantization, quantize } from '../../tfjs/quantize.js';
import { sameValues } from './changed-weights.js';
import type { Lineup } from './suspect.js';

/** Kernels that were stored in less than float32 when the model was written, and nothing else. */
export const quantizedWeights: Lineup = function* (lab) {
  const quantization = quantizationOf(lab.model);
  const reference = lab.fromCheckpoint();
  if (quantization === undefined || reference === null) return;
  if (!isQuantized(lab.model, reference, quantization)) return;
  yield {
    id: 'quantized-weights',
    description: "the checkpoint's weights, not quantized",
    summary: `the model's kernels are stored as ${quantization}`,
    cure: 'Convert without --quantize, or pass the error that you accept as --rtol.',
    variation: { model: reference },
  };
};

function isQuantized(model: EditableModel, reference: EditableModel, dtype: Quantization): boolean {
  return [...reference.weights].every(([name, { data }]) => {
    const found = model.weights.get(name)?.data;
    if (found === undefined) return false;
    if (!name.endsWith('/kernel')) return sameValues(found, data);
    const { bytes, spec } = quantize(name, data, dtype);
    return sameValues(found, dequantize(bytes, spec));
  });
}
