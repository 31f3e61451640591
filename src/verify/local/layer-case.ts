import { foldBatchNorm } from '../../network/plan.js';
import { type BatchNormParameters, type RawNetwork, rawNetwork } from '../causes/raw-network.js';
import type { Laboratory } from '../laboratory.js';
import { BATCH_NORM_EPS, type ConvBlock } from '../structure.js';
import { convolveAt, type Windows } from './convolve.js';
import { channelError } from './errors.js';
import { Recording } from './network.js';
import {
  largestPositions,
  type Planes,
  type Position,
  samplePositions,
  valuesAt,
} from './planes.js';

/** A layer of PyTorch's by itself: what it read and gave, and what it should have. */
export interface ConvCase {
  readonly name: string;
  readonly block: ConvBlock;
  readonly input: Planes;
  readonly output: Planes;
  readonly positions: readonly Position[];
  /** What PyTorch gave at the positions: `[positions, channels]`. */
  readonly expected: Float64Array;
  readonly channels: number;
  /** HWIO; the checkpoint's own, or the model's with BatchNorm folded in. */
  readonly kernel: Float32Array;
  /** What BatchNorm makes of the convolution: `relu(x * scale + offset)`. */
  readonly scale: Float64Array;
  readonly offset: Float64Array;
  /** BatchNorm's own numbers; null without the checkpoint. */
  readonly batchNorm: BatchNormParameters | null;
}

/** What the golden file says about each layer by itself. */
export class LayerCases {
  readonly recording: Recording;
  private readonly raw: RawNetwork | null;

  constructor(private readonly lab: Laboratory) {
    this.recording = new Recording(lab);
    this.raw = rawNetwork(lab);
  }

  /** Whether the weights that layers are held against are the checkpoint's. */
  get fromCheckpoint(): boolean {
    return this.raw !== null;
  }

  /** Whether the model has a transform_input layer, which the first convolution's input has been through. */
  get transformInput(): boolean {
    return this.lab.transformInput;
  }

  /** A convolution with its BatchNorm; undefined where its input or its output is not known. */
  conv(name: string, input = this.recording.inputOf(name)): ConvCase | undefined {
    const module = this.recording.modules.get(name);
    const output = this.recording.recorded(name);
    const weights = this.weights(name);
    if (module?.type !== 'conv' || !input || !output || !weights) return undefined;
    if (input.channels !== module.block.inChannels) return undefined;
    if (output.channels !== module.block.outChannels) return undefined;
    const positions = [...samplePositions(output), ...largestPositions(output)];
    const expected = valuesAt(output, positions);
    const { block } = module;
    const channels = output.channels;
    return { name, block, input, output, positions, expected, channels, ...weights };
  }

  /** What a convolution should have for weights. */
  weights(name: string) {
    const model = this.raw?.model ?? this.lab.model;
    const kernel = model.weights.get(`${name}/kernel`)?.data;
    const batchNorm = this.raw?.batchNorms.get(name) ?? null;
    if (kernel === undefined) return undefined;
    if (batchNorm !== null) {
      const { gamma, beta, mean, variance } = batchNorm;
      const { scale, offset } = foldBatchNorm(gamma, beta, mean, variance, BATCH_NORM_EPS);
      return { kernel, scale, offset, batchNorm };
    }
    const bias = model.weights.get(`${name}/bias`)?.data;
    if (bias === undefined) return undefined;
    const scale = new Float64Array(bias.length).fill(1);
    return { kernel, scale, offset: Float64Array.from(bias), batchNorm };
  }
}

/** As PyTorch's BasicConv2d should have it. */
export function usualWindows({ kernel, stride, padding }: ConvBlock): Windows {
  return { kernel, stride, padding, dilation: 1, border: 'zeros' };
}

/** What a trial does otherwise. */
export interface Otherwise {
  readonly input?: Planes;
  readonly kernel?: Float32Array;
  readonly windows?: Windows;
  readonly scale?: Float64Array;
  readonly offset?: Float64Array;
  readonly activation?: (value: number) => number;
}

/** The convolution alone, without BatchNorm: `[positions, channels]`. */
export function convolved(each: ConvCase, otherwise: Otherwise = {}): Float64Array {
  const { input, kernel, windows } = otherwise;
  const usual = input === undefined && kernel === undefined && windows === undefined;
  const known = usual ? usualOutputs.get(each) : undefined;
  if (known !== undefined) return known;
  const output = convolveAt(
    input ?? each.input,
    kernel ?? each.kernel,
    windows ?? usualWindows(each.block),
    each.positions,
  );
  if (usual) usualOutputs.set(each, output);
  return output;
}

/** What each layer gives as it should be: nearly every explanation asks for it. */
const usualOutputs = new WeakMap<ConvCase, Float64Array>();

/** What comes after the convolution. */
export function activated(
  raw: Float64Array,
  each: ConvCase,
  { scale = each.scale, offset = each.offset, activation = relu }: Otherwise = {},
): Float64Array {
  const { channels } = each;
  return raw.map((value, i) => {
    const c = i % channels;
    return activation(value * (scale[c] as number) + (offset[c] as number));
  });
}

const relu = (value: number) => Math.max(0, value);

/**
 * The error of a layer that is done otherwise.
 * @param enough beyond this the error is of no interest, and may be given too small: a few pixels mostly
 *   show that much
 */
export function errorOf(
  each: ConvCase,
  otherwise: Otherwise = {},
  enough: number = Infinity,
): number {
  if (enough < Infinity && each.positions.length > 2 * FEW) {
    const few = { ...each, positions: each.positions.slice(0, FEW) };
    const expected = each.expected.subarray(0, FEW * each.channels);
    const output = activated(convolved(few, otherwise), few, otherwise);
    const least = channelError(expected, output, each.channels, each.expected);
    if (least > enough) return least;
  }
  const output = activated(convolved(each, otherwise), each, otherwise);
  return channelError(each.expected, output, each.channels);
}

/** So many pixels refute nearly everything that is not so. */
const FEW = 4;
