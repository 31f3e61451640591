import type { NamedBytes } from '../../src/index.js';
import { editWeights, type Weight } from './files.js';

/** One channel of a BatchNorm in evaluation mode. */
export interface Channel {
  readonly gamma: number;
  readonly beta: number;
  readonly mean: number;
  readonly variance: number;
}

/** What becomes of a channel: a factor, and an offset. */
export type BatchNorm = (channel: Channel) => readonly [factor: number, offset: number];

/**
 * The files with every convolution folded anew from the checkpoint, with any idea of BatchNorm. It
 * shares nothing with the converter, so that a mistake there cannot hide here.
 */
export function foldedWith(
  files: readonly NamedBytes[],
  tensors: ReadonlyMap<string, Float32Array>,
  batchNorm: BatchNorm,
): NamedBytes[] {
  return editWeights(files, (weights) => {
    for (const kernel of weights.values()) {
      if (kernel.shape.length !== 4) continue;
      const name = kernel.name.slice(0, kernel.name.lastIndexOf('/'));
      foldInto(kernel, weights.get(`${name}/bias`) as Weight, name, tensors, batchNorm);
    }
  });
}

function foldInto(
  kernel: Weight,
  bias: Weight,
  name: string,
  tensors: ReadonlyMap<string, Float32Array>,
  batchNorm: BatchNorm,
): void {
  const of = (key: string) => tensors.get(`${name}.${key}`) as Float32Array;
  const [height, width, inputs, outputs] = kernel.shape as [number, number, number, number];
  const [gamma, beta, mean] = [of('bn.weight'), of('bn.bias'), of('bn.running_mean')];
  const [variance, source] = [of('bn.running_var'), of('conv.weight')];
  for (let o = 0, from = 0; o < outputs; o++) {
    const values = [gamma, beta, mean, variance].map((all) => all[o] as number);
    const [g, b, m, v] = values as [number, number, number, number];
    const [factor, offset] = batchNorm({ gamma: g, beta: b, mean: m, variance: v });
    bias.data[o] = offset;
    for (let i = 0; i < inputs; i++) {
      for (let p = 0; p < height * width; p++) {
        kernel.data[(p * inputs + i) * outputs + o] = (source[from++] as number) * factor;
      }
    }
  }
}
