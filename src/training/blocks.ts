import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import { conv2d, custom } from '../network/layers.js';
import type { Module } from '../network/module.js';
import { trace } from '../network/trace.js';
import type { Blocks } from '../networks/googlenet.js';

/** A caller's own block: applies layers of TensorFlow.js to the input, NHWC. */
export type BlockFactory<B> = (input: SymbolicTensor, block: B) => SymbolicTensor;

/** torchvision's BasicConv2d: convolution without bias, BatchNorm, ReLU. */
export interface ConvBlock {
  /** The torch module's name, such as `conv1`. */
  readonly name: string;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Square kernel's side. */
  readonly kernel: number;
  readonly stride: number;
  /** Zeros added on each side, as in PyTorch. */
  readonly padding: number;
}

/** torchvision's Inception: four branches over one input, concatenated by channel. */
export interface InceptionBlock {
  readonly name: string;
  readonly inChannels: number;
  readonly ch1x1: number;
  readonly ch3x3red: number;
  readonly ch3x3: number;
  readonly ch5x5red: number;
  readonly ch5x5: number;
  readonly poolProj: number;
}

/** torchvision's InceptionAux. */
export interface AuxBlock {
  readonly name: string;
  /** Whose output it takes. */
  readonly stage: string;
  readonly inChannels: number;
  readonly numClasses: number;
  readonly dropout: number;
}

export interface BlockFactories {
  readonly conv?: BlockFactory<ConvBlock> | undefined;
  readonly inception?: BlockFactory<InceptionBlock> | undefined;
  readonly aux?: BlockFactory<AuxBlock> | undefined;
}

const STAGES: Readonly<Record<string, string>> = { aux1: 'inception4a', aux2: 'inception4d' };

/** The caller's blocks as modules of the network. */
export function customBlocks({ conv, inception, aux }: BlockFactories = {}): Partial<Blocks> {
  return {
    ...(conv && { conv: customConv(conv) }),
    ...(inception && { inception: customInception(inception) }),
    ...(aux && { aux: customAux(aux) }),
  };
}

type Apply = (input: SymbolicTensor, name: string) => SymbolicTensor;

function customConv(factory: BlockFactory<ConvBlock>): Blocks['conv'] {
  return (inChannels, outChannels, kernel, options = {}) => {
    const [stride, padding] = [options.stride ?? 1, options.padding ?? 0] as [number, number];
    const apply: Apply = (input, name) =>
      factory(input, { name, inChannels, outChannels, kernel, stride, padding });
    const like = conv2d(inChannels, outChannels, kernel, options);
    return custom('BasicConv2d', (shape) => outputOf(like, shape), apply);
  };
}

function customInception(factory: BlockFactory<InceptionBlock>): Blocks['inception'] {
  return (inChannels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, poolProj) => {
    const sizes = { inChannels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, poolProj };
    const apply: Apply = (input, name) => factory(input, { name, ...sizes });
    const channels = ch1x1 + ch3x3 + ch5x5 + poolProj;
    return custom('Inception', ([, ...sides]) => [channels, ...sides], apply);
  };
}

function customAux(factory: BlockFactory<AuxBlock>): Blocks['aux'] {
  return (inChannels, numClasses, dropout) => {
    const apply: Apply = (input, name) =>
      factory(input, { name, stage: STAGES[name] ?? '', inChannels, numClasses, dropout });
    return custom('InceptionAux', () => [numClasses], apply);
  };
}

function outputOf(module: Module, shape: readonly number[]): readonly number[] {
  return trace(module, shape).outputs[0]?.shape ?? [];
}
