import type { Initializer, Initializers } from '../targets/keras/graph.js';

export interface InitOptions {
  /**
   * True for normal, σ 0.01, truncated at two deviations, as torchvision initialises GoogLeNet; false for
   * what PyTorch's layers start with.
   */
  readonly initWeights: boolean;
  /** Makes the draws repeatable. */
  readonly seed: number | undefined;
}

const SIGMA = 0.01;

/**
 * How the network's weights start. Source: torchvision/models/googlenet.py up to 0.11, which drew from
 * scipy's `truncnorm(-2, 2, scale=0.01)`; later ones call `trunc_normal_(std=0.01, a=-2, b=2)`, whose
 * bounds are absolute and cut nothing off. Biases of linear layers, and with `initWeights` off kernels,
 * too: uniform within `1 / sqrt(fan_in)`, from torch/nn/modules/linear.py and conv.py.
 */
export function initializers({ initWeights, seed }: InitOptions): Initializers {
  let drawn = 0;
  const draw = (class_name: string, config: object): Initializer => ({
    class_name,
    config: seed === undefined ? { ...config } : { ...config, seed: mix(seed, drawn++) },
  });
  const uniform = (fanIn: number) => {
    const bound = 1 / Math.sqrt(fanIn);
    return draw('RandomUniform', { minval: -bound, maxval: bound });
  };
  const normal = () => draw('TruncatedNormal', { mean: 0, stddev: SIGMA });
  return { kernel: initWeights ? normal : uniform, bias: uniform };
}

/** One seed out of two numbers, such that near ones give unlike seeds. Source: SplitMix32. */
export function mix(seed: number, index: number): number {
  let z = (seed + Math.imul(index + 1, 0x9e3779b9)) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) >>> 0;
}
