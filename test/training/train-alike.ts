import {
  dispose,
  keep,
  type NamedTensorMap,
  type Optimizer,
  train as optimizers,
  type Scalar,
  type Tensor2D,
  type Tensor4D,
  tensor1d,
  tensor4d,
  type Variable,
  variableGrads,
} from '@tensorflow/tfjs-core';
import { toFloat32 } from '../../src/checkpoint/tensor/float32.js';
import { toNHWC, toOIHW } from '../../src/numbers/layout.js';
import { linksOf } from '../../src/stored-model/trainable-model.js';
import {
  crossEntropy,
  type GoogLeNetOutputs,
  googlenet,
  googlenetLoss,
  type TrainableGoogLeNet,
} from '../../src/training/index.js';
import type { Batch, Training, Values } from './training-record.js';

/** The same training by this package, on TensorFlow.js's current backend. */

export interface TrainedStep {
  /** Of each head. */
  readonly outputs: Values;
  readonly losses: Values;
  readonly gradients: Values;
  readonly changes: Values;
  /** Every `num_batches_tracked`, less what it was before the first step. */
  readonly batches: readonly number[];
}

export interface Trained {
  readonly outputs: Values;
  readonly steps: readonly [TrainedStep, ...TrainedStep[]];
}

/** @param steps how many of them; default all */
export async function trainAlike(training: Training, steps = training.steps.length) {
  const net = loadNet(training);
  const optimizer = optimizers.momentum(training.learningRate, training.momentum);
  const images = imagesOf(training, training.steps[0]);
  const outputs = await valuesOf(headsOf(net.evaluate(images)));
  images.dispose();
  const trained: TrainedStep[] = [];
  for (const batch of training.steps.slice(0, steps)) {
    const step = await takeStep(net, optimizer, training, batch);
    trained.push({ ...step, ...(await changesOf(net, training)) });
  }
  optimizer.dispose();
  net.dispose();
  return { outputs, steps: trained } as unknown as Trained;
}

/** The network as PyTorch had it before the first step. */
export function loadNet({ options, initial }: Training): TrainableGoogLeNet {
  const net = googlenet({ ...options, auxLogits: options.auxClasses !== undefined });
  net.loadStateDict(initial);
  return net;
}

export function imagesOf(
  { options: { imageSize } }: Training,
  { images, labels }: Batch,
): Tensor4D {
  const shape = [labels.length, 3, imageSize, imageSize];
  return tensor4d(toNHWC(images, shape), [labels.length, imageSize, imageSize, 3]);
}

export function labelsOf({ labels }: Batch) {
  return tensor1d(labels, 'int32');
}

async function takeStep(
  net: TrainableGoogLeNet,
  optimizer: Optimizer,
  training: Training,
  batch: Batch,
): Promise<Omit<TrainedStep, 'changes' | 'batches'>> {
  const [images, labels] = [imagesOf(training, batch), labelsOf(batch)];
  const heads = new Map<string, Tensor2D>();
  const losses = new Map<string, Scalar>();
  const { value: total, grads } = variableGrads(() => {
    const outputs = net.forward(images, { training: true });
    for (const [head, logits] of headsOf(outputs)) {
      heads.set(head, keep(logits));
      losses.set(head, keep(crossEntropy(labels, logits)));
    }
    return googlenetLoss(outputs, labels);
  }, net.variables);
  const step = {
    outputs: await valuesOf(heads),
    losses: await valuesOf(losses.set('total', total)),
    gradients: await gradientsOf(net, grads),
  };
  optimizer.applyGradients(grads);
  dispose([images, labels, [...heads.values()], [...losses.values()], grads]);
  return step;
}

/** The outputs by the modules that gave them. */
function headsOf({ logits, auxLogits2, auxLogits1 }: GoogLeNetOutputs) {
  const heads = { fc: logits, aux2: auxLogits2, aux1: auxLogits1 };
  return new Map(Object.entries(heads).flatMap(([name, head]) => (head ? [[name, head]] : [])));
}

async function valuesOf(tensors: ReadonlyMap<string, Scalar | Tensor2D>) {
  const values = new Map<string, Float32Array>();
  for (const [name, tensor] of tensors) values.set(name, await tensor.data<'float32'>());
  return values;
}

async function gradientsOf(net: TrainableGoogLeNet, grads: NamedTensorMap): Promise<Values> {
  const variables = new Map(
    net.model.weights.map((weight) => [weight.originalName, (weight.read() as Variable).name]),
  );
  const gradients = new Map<string, Float32Array>();
  for (const { key, weight, oihw } of linksOf(net.options)) {
    const values = await grads[variables.get(weight) as string]?.data<'float32'>();
    if (values !== undefined) gradients.set(key, oihw ? toOIHW(values, oihw) : values);
  }
  return gradients;
}

async function changesOf(net: TrainableGoogLeNet, { initial }: Training) {
  const changes = new Map<string, Float32Array>();
  const batches: number[] = [];
  for (const [key, tensor] of await net.stateDict()) {
    const before = toFloat32(initial.get(key) as typeof tensor);
    const change = toFloat32(tensor).map((value, i) => value - (before[i] as number));
    if (tensor.dtype === 'int64') batches.push(change[0] as number);
    else changes.set(key, change);
  }
  return { changes, batches };
}
