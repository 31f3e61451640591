import {
  AUX,
  AUX_HEADS,
  type AuxHead,
  auxConv,
  BATCH_NORM_EPS,
  BATCH_NORM_MOMENTUM,
  type ConvBlock,
  DROPOUT,
  FEATURES,
} from './architecture.js';
import { JSONGraph, type LayerGraph, type ModelDescription, type Node } from './layer-graph.js';
import { addInput, addStages, type Blocks, inceptionOf, type ModelOptions } from './model.js';

/**
 * The network as it is trained, of standard Keras layers too: BatchNorm a layer of its own, dropout, and
 * both auxiliary heads. `conv1` is three layers, `conv1.conv`, `conv1.bn` and the ReLU, `conv1`. Outputs,
 * in the order of torchvision's GoogLeNetOutputs: the logits of `fc`, of aux2 and of aux1.
 */

export interface TrainableOptions extends ModelOptions {
  /** Classes of aux1 and of aux2; absent without auxiliary heads. */
  readonly auxClasses?: readonly [aux1: number, aux2: number] | undefined;
  /** Probability with which a feature before `fc` is zeroed in training; default 0.2. */
  readonly dropout?: number | undefined;
  /** The same in the auxiliary heads; default 0.7. */
  readonly dropoutAux?: number | undefined;
}

/** An auxiliary head with what the caller may choose of it. */
export interface AuxBlock extends AuxHead {
  readonly numClasses: number;
  readonly dropout: number;
}

/** The kinds of block that torchvision's `blocks` are, each adding itself to the graph. */
export interface TrainableBlocks<T> extends Blocks<T> {
  /** torchvision's InceptionAux. */
  readonly aux: (from: T, block: AuxBlock) => T;
}

/**
 * Describes the trainable model that `tf.loadLayersModel` will build.
 * Input `[batch, imageSize, imageSize, 3]`; outputs `[batch, numClasses]` each.
 * @throws Pth2tfjsError `usage` for an image too small for the network.
 */
export function describeTrainable(options: TrainableOptions): ModelDescription {
  const graph = new JSONGraph();
  return graph.describe(addTrainable(graph, options));
}

/**
 * Adds the trainable network to a graph.
 * @param blocks take the place of torchvision's own
 * @returns the outputs: logits, then those of aux2 and of aux1 where there are auxiliary heads
 * @throws Pth2tfjsError `usage` for an image too small for the network.
 */
export function addTrainable<T extends Node>(
  graph: LayerGraph<T>,
  options: TrainableOptions,
  blocks: Partial<TrainableBlocks<T>> = {},
): T[] {
  const { numClasses, branch3Kernel, auxClasses, dropout, dropoutAux } = options;
  const basicConv = basicConvOf(graph);
  const {
    conv = basicConv,
    inception = inceptionOf(graph, basicConv, branch3Kernel),
    aux = inceptionAuxOf(graph, basicConv),
  } = blocks;
  const taps = new Map<string, T>();
  const last = addStages(graph, { conv, inception }, addInput(graph, options), (stage, output) => {
    taps.set(stage, output);
  });
  const pooled = graph.globalAveragePool(last, 'avgpool');
  const dropped = graph.dropout(pooled, 'dropout', dropout ?? DROPOUT.main);
  const logits = graph.dense(dropped, 'fc', FEATURES, numClasses);
  const heads = (auxClasses ?? []).map((classes, i) => {
    const head = AUX_HEADS[i] as AuxHead;
    const block = { ...head, numClasses: classes, dropout: dropoutAux ?? DROPOUT.aux };
    return aux(taps.get(head.stage) as T, block);
  });
  return [logits, ...heads.reverse()];
}

/** BasicConv2d: convolution without bias, BatchNorm, ReLU. */
function basicConvOf<T extends Node>(graph: LayerGraph<T>): (from: T, block: ConvBlock) => T {
  return (from, block) => {
    const { name, outChannels } = block;
    const options = { name: `${name}.conv`, useBias: false, activation: 'linear' } as const;
    const conv = graph.conv(from, block, options);
    const normed = graph.batchNorm(
      conv,
      `${name}.bn`,
      outChannels,
      BATCH_NORM_EPS,
      BATCH_NORM_MOMENTUM,
    );
    return graph.relu(normed, name);
  };
}

function inceptionAuxOf<T extends Node>(
  graph: LayerGraph<T>,
  conv: (from: T, block: ConvBlock) => T,
): TrainableBlocks<T>['aux'] {
  return (from, head) => {
    const { name, inChannels, numClasses, dropout } = head;
    const features = AUX.convChannels * AUX.poolSize ** 2;
    const pooled = graph.adaptiveAveragePool(from, `${name}.avgpool`, AUX.poolSize, inChannels);
    const reduced = conv(pooled, auxConv(head));
    const flat = graph.reshape(reduced, `${name}.flatten`, [features], 1);
    const hidden = graph.relu(
      graph.dense(flat, `${name}.fc1`, features, AUX.hidden),
      `${name}.relu`,
    );
    return graph.dense(
      graph.dropout(hidden, `${name}.dropout`, dropout),
      `${name}.fc2`,
      AUX.hidden,
      numClasses,
    );
  };
}
