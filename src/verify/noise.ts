import { buildNetwork, traceImage } from '../describe-model.js';
import { prune } from '../network/fold.js';
import { multiplyAccumulates } from '../network/shapes.js';
import type { Graph } from '../network/trace.js';
import type { Value } from '../network/value.js';
import type { Arithmetic } from '../runtimes/reference/convolve.js';
import { interpret } from '../runtimes/reference/interpret.js';
import type { Floats } from '../runtimes/reference/multiply.js';
import { type Parameters, parametersOf, readStateDict } from '../runtimes/reference/parameters.js';
import type { StoredNetwork } from '../stored-model/stored-network.js';
import type { Golden } from './golden.js';
import type { Weights } from './laboratory.js';

/**
 * How far rounding to float32 moves a network's logits: the graph in float64 beside the same in float32, where each
 * result and each partial sum is rounded.
 */

/** Of one image, as ‖Δ‖/‖ref‖. */
export interface Noise {
  /** Of the model's graph, with the weights that it has stored. */
  readonly graph: number;
  /** Of PyTorch's, whose BatchNorm stands by itself; taken to be the graph's without the checkpoint. */
  readonly torch: number;
  /** What the model's graph gives in float64. */
  readonly exact: Run;
}

/** In two orders of summation: one alone may happen to come close. */
const ORDERS = ['float32-nchw', 'float32-nhwc'] as const;

/** Measures one image after the other; the numbers of the network are read once. */
export class NoiseMeter {
  private readonly graph: Side;
  private readonly torch: Side | undefined;

  /** @param weights the checkpoint's, where it is at hand */
  constructor(
    { graph, read, folded }: StoredNetwork,
    private readonly golden: Golden,
    weights: Weights | null,
    transformInput: boolean,
  ) {
    this.graph = new Side(graph, (arithmetic) => parametersOf(read, arithmetic, folded), ORDERS);
    if (weights === null || !folded) return;
    const { stateDict, ...variant } = weights;
    const [, , imageSize] = golden.shape;
    const options = { ...variant, imageSize, numClasses: golden.numClasses, transformInput };
    const unfolded = prune(traceImage(buildNetwork(options), options));
    const numbers = readStateDict(stateDict);
    // PyTorch's own order is the first.
    this.torch = new Side(unfolded, (arithmetic) => parametersOf(numbers, arithmetic), [ORDERS[0]]);
  }

  /** Multiply-accumulates for one image, of all runs together. */
  get macs(): number {
    return this.graph.macs + (this.torch?.macs ?? 0);
  }

  /** How many runs of the model's graph an image takes. */
  get runs(): number {
    return 1 + ORDERS.length;
  }

  measure(image: number): Noise {
    const [, channels, height, width] = this.golden.shape;
    const pixels = channels * height * width;
    const input = this.golden.input.subarray(image * pixels, (image + 1) * pixels);
    const { noise, exact } = this.graph.measure(input);
    return { graph: noise, torch: this.torch?.measure(input).noise ?? noise, exact };
  }
}

/** A graph, and how it is run. */
class Side {
  readonly macs: number;
  private readonly parameters = new Map<Arithmetic, Parameters>();

  constructor(
    private readonly graph: Graph,
    private readonly numbers: (arithmetic: Arithmetic) => Parameters,
    private readonly orders: readonly Arithmetic[],
  ) {
    const once = graph.values.reduce((sum, value) => sum + multiplyAccumulates(value), 0);
    this.macs = once * (1 + orders.length);
  }

  measure(input: Float32Array): { readonly noise: number; readonly exact: Run } {
    const right = this.run(input, 'float64');
    const noises = this.orders.map((order) => apart(this.run(input, order), right));
    return { noise: Math.max(...noises), exact: right };
  }

  private run(input: Float32Array, arithmetic: Arithmetic): Run {
    const known = this.parameters.get(arithmetic) ?? this.numbers(arithmetic);
    this.parameters.set(arithmetic, known);
    return runOnce(this.graph, known, input, arithmetic);
  }
}

/** What a graph made of an image. */
export interface Run {
  readonly logits: Floats;
  /** What the classifier sees, and its weights; empty where the logits come of something else. */
  readonly features: Floats;
  readonly weight: Floats;
}

export function runOnce(
  graph: Graph,
  parameters: Parameters,
  input: Float32Array,
  arithmetic: Arithmetic,
): Run {
  const [{ op, from }] = graph.outputs as readonly [Value];
  let features: Floats = NONE;
  const logits = interpret(graph, parameters, input, arithmetic, (value, numbers) => {
    if (value === from[0] && op.type === 'linear') features = numbers;
  });
  return { logits, features, weight: op.type === 'linear' ? parameters.linear(op).weight : NONE };
}

const NONE = new Float32Array();

/**
 * How far a run's logits are from the right ones: as they are, or what the errors of features and weights
 * would come to if their signs were drawn, if that is more. In a network of few classes errors may cancel each other
 * out, this time and no other.
 */
export function apart(moved: Run, right: Run): number {
  const { features, weight } = right;
  let sum = 0;
  for (let i = 0; i < weight.length; i++) {
    const k = i % features.length;
    const feature = moved.features[k] as number;
    const byFeature = (weight[i] as number) * (feature - (features[k] as number));
    const byWeight = ((moved.weight[i] as number) - (weight[i] as number)) * feature;
    sum += byFeature ** 2 + byWeight ** 2;
  }
  return Math.max(distance(moved.logits, right.logits), Math.sqrt(sum) / norm(right.logits));
}

/** ‖actual − expected‖ / ‖expected‖. */
export function distance(actual: Floats, expected: Floats): number {
  let sum = 0;
  for (let i = 0; i < expected.length; i++) {
    sum += ((actual[i] as number) - (expected[i] as number)) ** 2;
  }
  return Math.sqrt(sum) / norm(expected);
}

function norm(values: Floats): number {
  let sum = 0;
  for (const value of values) sum += value ** 2;
  return Math.sqrt(sum);
}
