import { Pth2tfjsError } from './base/errors.js';
import { IMAGENET_MEAN, IMAGENET_STD } from './image/imagenet.js';
import { fold, prune } from './network/fold.js';
import type { Module } from './network/module.js';
import type { NetworkOptions } from './network/network.js';
import { type Graph, trace } from './network/trace.js';
import type { Affine } from './network/value.js';
import { NETWORK, type Variant } from './networks/index.js';
import type { InputKind } from './targets/formats.js';
import { describeFrozen, type GraphDescription } from './targets/frozen-graph/describe.js';
import type { KerasModel } from './targets/keras/graph.js';
import { describeKeras } from './targets/keras/lower.js';
import type { OnnxGraph } from './targets/onnx/graph.js';
import { describeOnnx } from './targets/onnx/lower.js';
import type { Normalization } from './targets/pixels.js';

/** What a model to infer with is made with. */
export interface ModelOptions extends Variant {
  /** Side of the square input in pixels. */
  readonly imageSize: number;
  readonly numClasses: number;
  readonly transformInput: boolean;
}

/** The same of one to train, with its auxiliary heads. */
export type TrainableOptions = ModelOptions &
  Pick<NetworkOptions, 'auxClasses' | 'dropout' | 'dropoutAux'>;

export function buildNetwork(options: NetworkOptions & Partial<Variant>): Module {
  return NETWORK.build(options);
}

/**
 * The graph to infer with: BatchNorm folded, no dropout, the logits alone.
 * @throws Pth2tfjsError `usage` for an image size that the network cannot take
 */
export function inferenceGraph(options: ModelOptions): Graph {
  return fold(prune(traceImage(NETWORK.build(options), options)));
}

/** The graph as it is trained; outputs: the logits, then those of the auxiliary heads. */
export function trainingGraph(options: TrainableOptions): Graph {
  return traceImage(NETWORK.build(options), options);
}

export function traceImage(root: Module, { imageSize }: Pick<ModelOptions, 'imageSize'>): Graph {
  checkImageSize(imageSize);
  return trace(root, [3, imageSize, imageSize]);
}

/** The model that `tf.loadLayersModel` will build to infer with. */
export function describeModel(options: ModelOptions): KerasModel {
  return describeKeras(inferenceGraph(options), NETWORK.id);
}

/** The model that `tf.loadLayersModel` will build to train. */
export function describeTrainable(options: TrainableOptions): KerasModel {
  return describeKeras(trainingGraph(options), NETWORK.id);
}

/**
 * The graph that `tf.loadGraphModel` will run, which takes normalised images or pixels.
 * @throws Pth2tfjsError `usage` for an image size that the network cannot take
 */
export function describeGraph(options: ModelOptions, input: InputKind): GraphDescription {
  const { graph, pixels } = graphFor(options, input);
  return describeFrozen(graph, pixels);
}

/**
 * The graph that ONNX Runtime will run, which takes normalised images or pixels.
 * @throws Pth2tfjsError `usage` for an image size that the network cannot take
 */
export function describeOnnxModel(options: ModelOptions, input: InputKind): OnnxGraph {
  const { graph, pixels } = graphFor(options, input);
  return describeOnnx(graph, pixels);
}

/** What the network computes of its input, and how pixels become that. */
function graphFor(options: ModelOptions, input: InputKind): ImageGraph {
  if (input !== 'pixels') return { graph: inferenceGraph(options), pixels: undefined };
  const graph = inferenceGraph({ ...options, transformInput: false });
  const affine = options.transformInput ? findAffine(inferenceGraph(options)) : undefined;
  return { graph, pixels: { mean: IMAGENET_MEAN, std: IMAGENET_STD, affine } };
}

interface ImageGraph {
  readonly graph: Graph;
  readonly pixels: Normalization | undefined;
}

/** What a network does to its input first. */
export function findAffine({ values }: Graph): Affine | undefined {
  return values.flatMap(({ op }) => (op.type === 'affine' ? [op] : []))[0];
}

/** @throws Pth2tfjsError `usage` for a size that the network cannot take. */
export function checkImageSize(imageSize: number): void {
  if (isImageSize(imageSize)) return;
  const { min, max } = NETWORK.imageSizes;
  throw new Pth2tfjsError(
    'usage',
    `an image size of ${imageSize}; it must be a whole number from ${min} to ${max}`,
  );
}

export function isImageSize(side: number): boolean {
  const { min, max } = NETWORK.imageSizes;
  return Number.isInteger(side) && side >= min && side <= max;
}
