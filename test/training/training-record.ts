import { expect } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/read-checkpoint.js';
import { toFloat32 } from '../../src/checkpoint/tensor/float32.js';
import type { StateDict, TensorView } from '../../src/checkpoint/tensor/tensor.js';
import type { TrainableOptions } from '../../src/describe-model.js';
import type { Branch3Kernel } from '../../src/networks/index.js';
import { drawBatch, drawStateDict, project } from './hashed.js';

/** Trainings as PyTorch did them and golden/training.py recorded them. */

/** Tensors by name, in PyTorch's layout. */
export type Values = ReadonlyMap<string, Float32Array>;

/** A number for each tensor, by its name. */
export type Measure = (name: string) => number;

/** Tensors that PyTorch computed in float64, or what is kept of them. */
export interface Truth {
  readonly names: readonly string[];
  readonly norm: Measure;
  /** ‖values - truth‖. */
  readonly distance: (name: string, values: Float32Array) => number;
  /** How far at most PyTorch in float32 was from one of them, relatively. */
  readonly floor: number;
}

export interface Batch {
  /** NCHW. */
  readonly images: Float32Array;
  readonly labels: Float32Array;
}

export interface Step extends Batch {
  /** Of each head in training, by its module. */
  readonly outputs: Truth;
  /** Of each head, by its module, and `total`. */
  readonly losses: Truth;
  readonly gradients: Truth;
  /** What parameters and running statistics have become, less what they were before the first step. */
  readonly changes: Truth;
}

export interface Training {
  readonly options: TrainableOptions;
  readonly learningRate: number;
  readonly momentum: number;
  readonly initial: StateDict;
  /** Of each head in evaluation, by its module. */
  readonly outputs: Truth;
  readonly steps: readonly [Step, ...Step[]];
}

type Dict = ReadonlyMap<string, unknown>;

/** Reads a file that golden/training.py or test/training/training-oracle.py wrote. */
export async function readTraining(bytes: Uint8Array): Promise<Training> {
  const record = (await readCheckpoint(bytes)).value as Dict;
  const options = optionsOf(record.get('options') as Dict);
  const optimizer = record.get('optimizer') as Dict;
  const { initial, batchOf } = startOf(record, options);
  const [first, ...more] = (record.get('steps') as Dict[]).map((step) => ({
    ...batchOf(step),
    outputs: truthOf(step.get('outputs')),
    losses: truthOf(step.get('losses')),
    gradients: truthOf(step.get('gradients')),
    changes: truthOf(step.get('changes')),
  }));
  return {
    options,
    learningRate: optimizer.get('learning_rate') as number,
    momentum: optimizer.get('momentum') as number,
    initial,
    outputs: truthOf(record.get('outputs')),
    steps: [first as Step, ...more],
  };
}

function optionsOf(options: Dict): TrainableOptions {
  const numClasses = options.get('num_classes') as number;
  return {
    imageSize: options.get('image_size') as number,
    numClasses,
    auxClasses: options.get('aux_logits') ? [numClasses, numClasses] : undefined,
    transformInput: options.get('transform_input') as boolean,
    branch3Kernel: options.get('branch3_kernel') as Branch3Kernel,
    dropout: 0,
    dropoutAux: 0,
  };
}

/** The weights and batches: as they are in the file, or drawn as they were there. */
function startOf(record: Dict, options: TrainableOptions) {
  const start = record.get('initial') as Dict;
  if (!start.has('seed')) {
    const batchOf = (step: Dict): Batch => ({
      images: floats(step.get('images')),
      labels: floats(step.get('labels')),
    });
    return { initial: start as StateDict, batchOf };
  }
  const seed = start.get('seed') as number;
  const drawn = {
    seed,
    draws: floats(start.get('draws')),
    means: floats(start.get('running_mean')),
    variances: floats(start.get('running_var')),
  };
  const size = { count: start.get('images') as number, ...options };
  const batchOf = (step: Dict): Batch => drawBatch(seed, step.get('batch') as number, size);
  return { initial: drawStateDict(drawn, options), batchOf };
}

export function floats(tensor: unknown): Float32Array {
  return toFloat32(tensor as TensorView);
}

function truthOf(record: unknown): Truth {
  const [kept, floor] = ['values', 'floor'].map((key) => (record as Dict).get(key));
  const { keys, sketches } = Object.fromEntries(kept as Dict) as Record<string, unknown>;
  const truth = sketches === undefined ? exact(kept as StateDict) : sketched(keys, sketches);
  return { ...truth, floor: floor as number };
}

function exact(tensors: StateDict): Omit<Truth, 'floor'> {
  const get = (name: string) => floats(tensors.get(name));
  return {
    names: [...tensors.keys()],
    norm: (name) => norm(get(name)),
    distance: (name, values) => distance(values, get(name)),
  };
}

/** Tensors of which there are their norms and products with patterns; see `sketches` of golden/training.py. */
function sketched(keys: unknown, sketches: unknown): Omit<Truth, 'floor'> {
  const names = keys as string[];
  const patterns = ((sketches as TensorView).shape[1] as number) - 1;
  const all = floats(sketches);
  const row = (name: string) => {
    const start = names.indexOf(name) * (patterns + 1);
    return all.subarray(start, start + patterns + 1);
  };
  return {
    names,
    norm: (name) => row(name)[0] as number,
    distance: (name, values) =>
      distance(project(name, values, patterns), row(name).subarray(1)) / Math.sqrt(patterns),
  };
}

export function norm(values: ArrayLike<number>): number {
  return distance(values, new Float32Array(values.length));
}

function distance(values: ArrayLike<number>, reference: ArrayLike<number>): number {
  expect(values.length).toBe(reference.length);
  let sum = 0;
  for (let i = 0; i < reference.length; i++) {
    sum += ((values[i] as number) - (reference[i] as number)) ** 2;
  }
  return Math.sqrt(sum);
}
