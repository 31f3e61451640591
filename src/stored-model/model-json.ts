import type { io } from '@tensorflow/tfjs-core';
import { Pth2tfjsError } from '../base/errors.js';
import { MAX_CHECKPOINT_BYTES } from '../base/limits.js';
import { damaged } from './damaged.js';
import { QUANTIZATIONS } from './quantization.js';
import { STORED_DTYPES, storedBytes } from './stored-bytes.js';

/** A model.json lists layers and weights, not their values: that of the network has 150 kB. */
export const MAX_MODEL_JSON_BYTES = 2 ** 26;

/** The network's has ten levels; thousands would exhaust the stack of what walks through them. */
const MAX_DEPTH = 256;

/**
 * Reads a model.json, with a byte order mark or without, and checks all that is needed before its weights are
 * read. The topology is left to TensorFlow.js.
 * @throws Pth2tfjsError `model` for what is none; `limit` for one that describes more than 1 GiB of weights
 */
export function parseModelJSON(bytes: Uint8Array): io.ModelJSON {
  const json = parse(bytes);
  checkDepth(json);
  const { modelTopology, weightsManifest } = isObject(json) ? json : {};
  if (!isObject(modelTopology) || !Array.isArray(weightsManifest)) {
    throw damaged('has a model.json without topology or weights manifest');
  }
  for (const group of weightsManifest) checkGroup(group);
  const model = json as io.ModelJSON;
  const total = totalBytes(specsOf(model));
  if (total <= MAX_CHECKPOINT_BYTES) return model;
  throw new Pth2tfjsError(
    'limit',
    `the model.json describes ${total} bytes of weights; the bound is ${MAX_CHECKPOINT_BYTES}`,
    { hint: 'check that this is the right file' },
  );
}

/**
 * The same, and where it is no JSON, this names what it is instead.
 * @throws Pth2tfjsError as {@link parseModelJSON} does
 */
export async function readModelJSON(bytes: Uint8Array): Promise<io.ModelJSON> {
  try {
    return parseModelJSON(bytes);
  } catch (error) {
    const { describeForeign } = await import('../checkpoint/container/sniff.js');
    const foreign = describeForeign(bytes);
    if (foreign === undefined || foreign[0].includes('JSON')) throw error;
    const [what, hint] = foreign;
    throw new Pth2tfjsError('model', `the model.json is ${what}`, { hint, cause: error });
  }
}

/**
 * Whether bytes that may be a checkpoint are a model.json instead. Of the containers only safetensors can
 * start like a JSON text, and has zeros then.
 */
export function isModelJSON(bytes: Uint8Array): boolean {
  if (bytes[7] === 0 || bytes.length > MAX_MODEL_JSON_BYTES) return false;
  if (!/^\s*\{/.test(new TextDecoder().decode(bytes.subarray(0, 64)))) return false;
  return /"(modelTopology|weightsManifest)"/.test(new TextDecoder().decode(bytes));
}

/** The tensors of all groups, in the order in which they lie in the weight files. */
export function specsOf({ weightsManifest }: io.ModelJSON): io.WeightsManifestEntry[] {
  return weightsManifest.flatMap((group) => group.weights);
}

/** How many bytes tensors take in the weight files; strings take more than that. */
export function totalBytes(specs: readonly io.WeightsManifestEntry[]): number {
  return specs.reduce((sum, spec) => sum + storedBytes(spec), 0);
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw damaged(`has a model.json that is no JSON: ${String(error)}`, error);
  }
}

function checkDepth(json: unknown): void {
  const inside = (value: unknown): unknown[] =>
    typeof value === 'object' && value !== null ? Object.values(value) : [];
  let level = [json];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw damaged('has a model.json that is nested too deeply');
    level = level.flatMap(inside);
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkGroup(group: unknown): void {
  const { paths, weights } = isObject(group) ? group : {};
  if (!Array.isArray(paths) || !Array.isArray(weights)) {
    throw damaged('has a model.json whose weights manifest lacks paths or weights');
  }
  for (const spec of weights) checkSpec(spec);
}

function checkSpec(spec: unknown): void {
  const { name, shape, dtype, quantization } = isObject(spec) ? spec : {};
  if (typeof name !== 'string') throw damaged('has a model.json with a weight of no name');
  const bad = (what: string) => damaged(`has a model.json whose weight '${name}' ${what}`);
  const isSide = (side: unknown) => Number.isSafeInteger(side) && (side as number) >= 0;
  if (!Array.isArray(shape) || !shape.every(isSide)) {
    throw bad(`has the shape ${JSON.stringify(shape)}, which is none`);
  }
  if (!STORED_DTYPES.some((known) => known === dtype)) {
    throw bad(
      `has the dtype ${JSON.stringify(dtype)}; it must be one of ${STORED_DTYPES.join(', ')}`,
    );
  }
  if (quantization !== undefined && !isQuantization(quantization)) {
    throw bad(`is quantized in no way that TensorFlow.js knows`);
  }
}

function isQuantization(value: unknown): boolean {
  const { dtype, scale, min } = isObject(value) ? value : {};
  if (!QUANTIZATIONS.some((known) => known === dtype)) return false;
  return dtype === 'float16' || (Number.isFinite(scale) && Number.isFinite(min));
}
