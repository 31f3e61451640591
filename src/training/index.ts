/**
 * Train GoogLeNet with TensorFlow.js as torchvision's is trained with PyTorch.
 *
 * ```ts
 * import * as tf from '@tensorflow/tfjs-core';
 * import { googlenet, googlenetLoss } from 'pth2tfjs/training';
 *
 * await tf.ready();
 * const net = googlenet({ numClasses: 10, imageSize: 96, seed: 1 });
 * const optimizer = tf.train.momentum(0.01, 0.9);
 * const loss = () => googlenetLoss(net.forward(images, { training: true }), labels);
 * optimizer.minimize(loss, false, net.variables);
 * ```
 *
 * @module
 */

export { summary } from '../summary.js';
export type { BlockFactory } from './blocks.js';
export {
  type GoogLeNetOptions,
  googlenet,
  type LoadTrainableOptions,
  loadTrainable,
} from './googlenet.js';
export { AUX_LOSS_WEIGHT, crossEntropy, type GoogLeNetOutputs, googlenetLoss } from './loss.js';
export { type LoadStateDictOptions, TrainableGoogLeNet } from './trainable-googlenet.js';
