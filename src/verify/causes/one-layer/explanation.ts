import type { ConvCase, LayerCases } from '../../local/layer-case.js';

/** Why one layer of PyTorch's gives what it gives, found by doing it otherwise. */
export interface Explanation {
  /** What explains several layers alike is one cause. */
  readonly key: string;
  /** The cause's stable name. */
  readonly id: string;
  /** What is the matter, in one clause. */
  readonly summary: (where: string) => string;
  readonly cure: string;
  /** The tensor, where it is one. */
  readonly tensor?: string;
  /** Whether no layer is to blame: the images, or what was saved. */
  readonly nowhere?: true;
  /** The layer to blame, where it is another than the one that was looked at. */
  readonly layer?: string;
  /** What is left of the layer's error. */
  readonly error: number;
  /** What found it; mostly it explains the next layer, too. */
  readonly explainer?: ConvExplainer;
}

/** A layer that is wrong by itself, and why. */
export interface LayerExplanation {
  readonly layer: string;
  readonly explanation: Explanation;
}

/** One kind of explanation of a convolution with its BatchNorm and ReLU. */
export type ConvExplainer = (each: ConvCase, cases: LayerCases) => Explanation | undefined;

/** Keys of what says little: that weights differ, that something else is computed, or that it is one of both. */
export const VAGUE = {
  weights: 'other weights',
  computation: 'other computation',
  either: 'other layer',
  /** All of a BatchNorm, and where its offset alone is another. */
  norm: 'other batch norm',
  bias: 'other batch norm, its offset',
} as const;

/** Whether it says no more than that a layer differs. */
export function isVague({ explanation: { key } }: Pick<LayerExplanation, 'explanation'>): boolean {
  return key.startsWith('channels of') || Object.values<string>(VAGUE).includes(key);
}
