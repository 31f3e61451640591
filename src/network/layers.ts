import { type Module, module, type OwnTensor } from './module.js';
import { pair } from './shapes.js';
import type { Custom, Op, Pair, Shape } from './value.js';

/** torch.nn's modules that compute, with PyTorch's names and defaults. */

export interface ConvOptions {
  readonly stride?: number | Pair;
  readonly padding?: number | Pair;
  readonly groups?: number;
  readonly bias?: boolean;
}

export function conv2d(
  inChannels: number,
  outChannels: number,
  kernelSize: number | Pair,
  { stride = 1, padding = 0, groups = 1, bias = true }: ConvOptions = {},
): Module {
  const window = { kernel: pair(kernelSize), stride: pair(stride), padding: pair(padding) };
  const { kernel } = window;
  const extra = [
    `${inChannels}, ${outChannels}, kernel_size=${tuple(kernel)}, stride=${tuple(window.stride)}`,
    ...(window.padding.some((side) => side > 0) ? [`padding=${tuple(window.padding)}`] : []),
    ...(groups > 1 ? [`groups=${groups}`] : []),
    ...(bias ? [] : ['bias=False']),
  ];
  return leaf({
    type: 'Conv2d',
    extra: extra.join(', '),
    tensors: [
      parameter('weight', [outChannels, inChannels / groups, ...kernel]),
      ...(bias ? [parameter('bias', [outChannels])] : []),
    ],
    settings: {
      kernel_size: kernel,
      stride: window.stride,
      padding: window.padding,
      dilation: 1,
      groups,
      padding_mode: 'zeros',
    },
    op: (path) => ({
      type: 'conv2d',
      module: path,
      inChannels,
      outChannels,
      ...window,
      groups,
      bias,
    }),
  });
}

export function batchNorm2d(channels: number, { eps = 1e-5, momentum = 0.1 } = {}): Module {
  const shape = [channels];
  return leaf({
    type: 'BatchNorm2d',
    extra: `${channels}, eps=${python(eps)}, momentum=${momentum}, affine=True, track_running_stats=True`,
    // Since version 2 a state dict holds num_batches_tracked.
    version: 2,
    tensors: [
      parameter('weight', shape),
      parameter('bias', shape),
      buffer('running_mean', shape),
      buffer('running_var', shape),
      { ...buffer('num_batches_tracked', []), dtype: 'int64', counter: true },
    ],
    settings: { eps },
    op: (path) => ({ type: 'batchNorm2d', module: path, eps, momentum }),
  });
}

export function linear(inFeatures: number, outFeatures: number, { bias = true } = {}): Module {
  return leaf({
    type: 'Linear',
    extra: `in_features=${inFeatures}, out_features=${outFeatures}, bias=${bias ? 'True' : 'False'}`,
    tensors: [
      parameter('weight', [outFeatures, inFeatures]),
      ...(bias ? [parameter('bias', [outFeatures])] : []),
    ],
    settings: {},
    op: (path) => ({ type: 'linear', module: path, inFeatures, outFeatures, bias }),
  });
}

export interface PoolOptions {
  /** Default: the kernel's size. */
  readonly stride?: number;
  readonly padding?: number;
  readonly ceilMode?: boolean;
}

export function maxPool2d(
  kernel: number,
  { stride = kernel, padding = 0, ceilMode = false }: PoolOptions = {},
): Module {
  const mode = ceilMode ? 'True' : 'False';
  return leaf({
    type: 'MaxPool2d',
    extra: `kernel_size=${kernel}, stride=${stride}, padding=${padding}, dilation=1, ceil_mode=${mode}`,
    settings: { kernel_size: kernel, stride, padding, dilation: 1, ceil_mode: ceilMode },
    op: () => ({
      type: 'maxPool2d',
      kernel: pair(kernel),
      stride: pair(stride),
      padding: pair(padding),
      ceilMode,
    }),
  });
}

export function adaptiveAvgPool2d(output: number | Pair): Module {
  return leaf({
    type: 'AdaptiveAvgPool2d',
    extra: `output_size=${tuple(pair(output))}`,
    settings: { output_size: pair(output) },
    op: () => ({ type: 'adaptiveAvgPool2d', output: pair(output) }),
  });
}

export function dropout(p = 0.5): Module {
  return leaf({
    type: 'Dropout',
    extra: `p=${python(p)}, inplace=False`,
    op: () => ({ type: 'dropout', p }),
  });
}

/** A caller's own layers as one module; whatever tensors they have are theirs. */
export function custom(
  type: string,
  shape: (input: Shape) => Shape,
  apply: Custom['apply'],
): Module {
  return leaf({ type, extra: '', op: () => ({ type: 'custom', shape, apply }) });
}

interface Leaf extends Partial<Pick<Module, 'version' | 'tensors' | 'settings'>> {
  readonly type: string;
  readonly extra: string;
  /** @param path where its tensors are */
  readonly op: (path: string) => Op;
}

function leaf({ type, op, ...rest }: Leaf): Module {
  return {
    ...module(type, {}, (input) => input),
    ...rest,
    forward: (input, _, path) => input.recorder.add('', op(path), [input]),
  };
}

function parameter(name: string, shape: readonly number[]): OwnTensor {
  return { name, shape, dtype: 'float32', parameter: true, counter: false };
}

function buffer(name: string, shape: readonly number[]): OwnTensor {
  return { ...parameter(name, shape), parameter: false };
}

function tuple([height, width]: Pair): string {
  return `(${height}, ${width})`;
}

/** A float as Python prints it. */
function python(value: number): string {
  if (Number.isInteger(value)) return value.toFixed(1);
  return value < 1e-4 ? value.toExponential().replace(/e-(\d)$/, 'e-0$1') : String(value);
}
