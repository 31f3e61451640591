/**
 * What a network computes, in PyTorch's terms: layout NCHW, kernels OIHW, PyTorch's padding; height and
 * width apart. Names are torch.nn's.
 */

/** Of one image: channels, height and width, or features. */
export type Shape = readonly number[];

export type Pair = readonly [height: number, width: number];

export interface Window {
  readonly kernel: Pair;
  readonly stride: Pair;
  /** Added on each side. */
  readonly padding: Pair;
}

/** A BatchNorm whose tensors lie under this module's path. */
export interface BatchNorm {
  readonly type: 'batchNorm2d';
  readonly module: string;
  readonly eps: number;
  /** PyTorch's: the share of each batch in the running statistics. */
  readonly momentum: number;
}

export interface Conv2d extends Window {
  readonly type: 'conv2d';
  /** The module whose tensors these are, such as `conv1.conv`. */
  readonly module: string;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly groups: number;
  readonly bias: boolean;
  /** What has been folded into it. */
  readonly batchNorm?: BatchNorm;
  readonly activation?: 'relu';
}

export interface Linear {
  readonly type: 'linear';
  readonly module: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
}

export interface MaxPool2d extends Window {
  readonly type: 'maxPool2d';
  readonly ceilMode: boolean;
}

/** Pools each channel to this size. */
export interface AdaptiveAvgPool2d {
  readonly type: 'adaptiveAvgPool2d';
  readonly output: Pair;
}

/** A factor and an offset a channel, which no state dict holds. */
export interface Affine {
  readonly type: 'affine';
  readonly scale: readonly number[];
  readonly offset: readonly number[];
}

/** A caller's own layers in place of a block; what they do is known to the target that runs them. */
export interface Custom {
  readonly type: 'custom';
  readonly shape: (input: Shape) => Shape;
  readonly apply: unknown;
}

export type Op =
  | { readonly type: 'input' | 'relu' | 'flatten' | 'cat' }
  | { readonly type: 'dropout'; readonly p: number }
  | Conv2d
  | BatchNorm
  | Linear
  | MaxPool2d
  | AdaptiveAvgPool2d
  | Affine
  | Custom;

/** What an operation gives. */
export interface Value {
  /** A module's output has the module's path, such as `layer1.0.bn1`; each path stands once. */
  readonly path: string;
  readonly op: Op;
  readonly from: readonly Value[];
  readonly shape: Shape;
}

/** A value on its way through `forward`, with what notes the operations on it. */
export interface Traced extends Value {
  readonly recorder: Recorder;
}

export interface Recorder {
  /** @param name the value's own part of its path, where it does not become its module's output */
  add(name: string, op: Op, from: readonly Traced[]): Traced;
}
