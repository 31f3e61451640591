import { Pth2tfjsError } from '../base/errors.js';
import { type OnWarning, warnOnConsole } from '../base/warn.js';
import { type TrainableOptions, traceImage, trainingGraph } from '../describe-model.js';
import { type Branch3Kernel, googlenet as buildGoogLeNet, DROPOUT } from '../networks/googlenet.js';
import type { NamedBytes } from '../stored-model/artifacts.js';
import { openStoredModel } from '../stored-model/open.js';
import { openTrainable, trainableWarnings } from '../stored-model/trainable-model.js';
import { lowerToKeras } from '../targets/keras/lower.js';
import { type BlockFactories, customBlocks } from './blocks.js';
import { initializers } from './initializers.js';
import { SymbolicGraph } from './symbolic-graph.js';
import { TrainableGoogLeNet } from './trainable-googlenet.js';

/** torchvision's arguments of `googlenet()`, by their names and with their defaults. */
export interface GoogLeNetOptions {
  /** Default 1000. */
  readonly numClasses?: number | undefined;
  /** Whether there are auxiliary heads; default true. */
  readonly auxLogits?: boolean | undefined;
  /** Turn ImageNet's normalisation into [-1, 1]; default false. */
  readonly transformInput?: boolean | undefined;
  /** True, the default: normal, σ 0.01, truncated at two deviations; false: as PyTorch's layers start. */
  readonly initWeights?: boolean | undefined;
  /** Take the place of torchvision's BasicConv2d, Inception and InceptionAux; as there, Inception and
   * InceptionAux are built of BasicConv2d whatever `conv` is. */
  readonly blocks?: BlockFactories | undefined;
  /** Before `fc`; default 0.2. */
  readonly dropout?: number | undefined;
  /** In the auxiliary heads; default 0.7. */
  readonly dropoutAux?: number | undefined;
  /** Side of the square images in pixels, 15 or more; default 224. */
  readonly imageSize?: number | undefined;
  /** Side of branch3's second kernel: 3, the default, as torchvision has it, or 5, as the paper. */
  readonly branch3Kernel?: Branch3Kernel | undefined;
  /** Makes initial weights and dropout repeatable. */
  readonly seed?: number | undefined;
}

/**
 * Builds torchvision's GoogLeNet, to be trained, on TensorFlow.js's current backend; await `tf.ready()`
 * first. Without BatchNorm folded, and unlike PyTorch's, its layout is NHWC.
 *
 * ```ts
 * const net = googlenet({ numClasses: 10, imageSize: 96 });
 * const optimizer = tf.train.momentum(0.01, 0.9);
 * optimizer.minimize(() => googlenetLoss(net.forward(images, { training: true }), labels), false, net.variables);
 * ```
 * @throws Pth2tfjsError `usage` for sizes that make no sense
 */
export function googlenet(options: GoogLeNetOptions = {}): TrainableGoogLeNet {
  const { numClasses = 1000, auxLogits = true, initWeights = true, seed } = options;
  if (!Number.isInteger(numClasses) || numClasses < 1) {
    throw new Pth2tfjsError('usage', `${numClasses} classes; there must be a whole number of them`);
  }
  const network: TrainableOptions = {
    numClasses,
    auxClasses: auxLogits ? [numClasses, numClasses] : undefined,
    transformInput: options.transformInput ?? false,
    imageSize: options.imageSize ?? 224,
    branch3Kernel: options.branch3Kernel ?? 3,
    dropout: options.dropout ?? DROPOUT.main,
    dropoutAux: options.dropoutAux ?? DROPOUT.aux,
  };
  const blocks = customBlocks(options.blocks);
  const root = buildGoogLeNet({ ...network, blocks });
  const layers = new SymbolicGraph();
  const initial = initializers({ initWeights, seed });
  const { outputs } = lowerToKeras(traceImage(root, network), layers, initial);
  const own = { seed, customBlocks: Object.keys(blocks).length > 0 };
  return new TrainableGoogLeNet(layers.model('googlenet', outputs), network, own);
}

export interface LoadTrainableOptions {
  /** Told of weights that are no numbers, and the like; default `console.warn`. */
  readonly onWarning?: OnWarning | undefined;
  /** Makes dropout repeatable. */
  readonly seed?: number | undefined;
}

/**
 * Takes up again a model that `convert --trainable` or {@link TrainableGoogLeNet.toFiles} wrote, with the
 * count of batches that it was trained with.
 * @throws Pth2tfjsError as `openTrainable` does
 */
export function loadTrainable(
  files: readonly NamedBytes[],
  { seed, onWarning = warnOnConsole }: LoadTrainableOptions = {},
): TrainableGoogLeNet {
  const saved = openTrainable(openStoredModel(files));
  for (const warning of trainableWarnings(saved)) onWarning(warning);
  const layers = new SymbolicGraph();
  const { outputs } = lowerToKeras(trainingGraph(saved.options), layers);
  const model = layers.model('googlenet', outputs);
  return new TrainableGoogLeNet(model, saved.options, { seed, customBlocks: false, saved });
}
