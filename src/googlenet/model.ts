import { Pth2tfjsError } from '../errors.js';
import {
  type Branch3Kernel,
  type ConvBlock,
  FEATURES,
  type InceptionBlock,
  inceptionBranches,
  MAX_IMAGE_SIZE,
  MIN_IMAGE_SIZE,
  STAGES,
} from './architecture.js';
import {
  JSONGraph,
  type JSONNode,
  type LayerGraph,
  type ModelDescription,
  type Node,
} from './layer-graph.js';

/**
 * The inference network as a Keras model of standard layers, written as the JSON that TensorFlow.js
 * saves, so that `tf.loadLayersModel` builds it without code of ours and converting needs no
 * TensorFlow.js at all. Layout NHWC; BatchNorm is folded into the convolutions; layers are named
 * after the torch modules, `inception3a.branch1` for that BasicConv2d, `inception3a` for the
 * concatenation.
 */

export interface ModelOptions {
  /** Side of the square input, at least {@link MIN_IMAGE_SIZE}. */
  readonly imageSize: number;
  readonly numClasses: number;
  readonly branch3Kernel: Branch3Kernel;
  readonly transformInput: boolean;
}

/** Adds a block after a layer, and gives its output. */
export type AddBlock<T, B> = (from: T, block: B) => T;

/** The kinds of block that the network repeats. */
export interface Blocks<T> {
  /** torchvision's BasicConv2d. */
  readonly conv: AddBlock<T, ConvBlock>;
  readonly inception: AddBlock<T, InceptionBlock>;
}

/**
 * Describes the model that `tf.loadLayersModel` will build.
 * Input `[batch, imageSize, imageSize, 3]`, output logits `[batch, numClasses]`.
 * @throws Pth2tfjsError `usage` for an image too small for the network.
 */
export function describeModel(options: ModelOptions): ModelDescription {
  const graph = new JSONGraph();
  const conv = (from: JSONNode, block: ConvBlock) =>
    graph.conv(from, block, { useBias: true, activation: 'relu' });
  const inception = inceptionOf(graph, conv, options.branch3Kernel);
  const last = addStages(graph, { conv, inception }, addInput(graph, options));
  const pooled = graph.globalAveragePool(last, 'avgpool');
  return graph.describe([graph.dense(pooled, 'fc', FEATURES, options.numClasses)]);
}

/** @throws Pth2tfjsError `usage` for an image too small for the network. */
export function addInput<T extends Node>(
  graph: LayerGraph<T>,
  { imageSize, transformInput }: Pick<ModelOptions, 'imageSize' | 'transformInput'>,
): T {
  checkImageSize(imageSize);
  const input = graph.input(imageSize);
  return transformInput ? graph.transformInput(input) : input;
}

/** The main network from the first convolution to inception5b; `seen` is shown every stage's output. */
export function addStages<T extends Node>(
  graph: LayerGraph<T>,
  { conv, inception }: Blocks<T>,
  input: T,
  seen: (stage: string, output: T) => void = () => {},
): T {
  return STAGES.reduce((from, stage) => {
    const add = { conv, inception, pool: graph.maxPool.bind(graph) }[stage.type];
    const output = add(from, stage as never);
    seen(stage.name, output);
    return output;
  }, input);
}

/** Inception, of convolutions of any kind. */
export function inceptionOf<T extends Node>(
  graph: LayerGraph<T>,
  conv: AddBlock<T, ConvBlock>,
  branch3Kernel: Branch3Kernel,
): AddBlock<T, InceptionBlock> {
  return (from, block) => {
    const branches = inceptionBranches(block, branch3Kernel).map((convs, i) => {
      const start = i === 3 ? graph.maxPoolSameSize(from, `${block.name}.branch4.0`) : from;
      return convs.reduce(conv, start);
    });
    return graph.concatenate(branches, block.name);
  };
}

/** @throws Pth2tfjsError `usage` for a size that the network cannot take. */
export function checkImageSize(imageSize: number): void {
  if (isImageSize(imageSize)) return;
  throw new Pth2tfjsError(
    'usage',
    `an image size of ${imageSize}; it must be a whole number from ${MIN_IMAGE_SIZE} to ${MAX_IMAGE_SIZE}`,
  );
}

export function isImageSize(side: number): boolean {
  return Number.isInteger(side) && side >= MIN_IMAGE_SIZE && side <= MAX_IMAGE_SIZE;
}
