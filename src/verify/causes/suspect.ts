import type { Laboratory, Variation } from '../laboratory.js';
import type { Story } from './stories.js';

/** Something that may be the matter, and how to find out. */
export interface Suspect {
  /** Stable name of the cause, such as `transform-input`. */
  readonly id: string;
  /** What is done otherwise, in a few words. */
  readonly description: string;
  /** What is the matter if that closes the gap. */
  readonly summary: string;
  readonly cure: string;
  /** The tensor, layer or block concerned. */
  readonly where?: string | undefined;
  /** Runs the model otherwise … */
  readonly variation?: Variation;
  /** … or measures the error that is left in a way of its own. */
  readonly measure?: (lab: Laboratory, before: number) => Promise<Finding>;
}

/** What a measurement tells. */
export interface Finding {
  /** The largest relative error of an image that is left. */
  readonly error: number;
  /**
   * Says whether this is the cause, where the error alone cannot: rounding went another way, or the
   * draws of a dropout are lost.
   */
  readonly convicted?: boolean;
  /** More than the suspect itself knew beforehand. */
  readonly where?: string;
  readonly summary?: string;
  readonly cure?: string;
  /** All of the cause, where the suspect stands for many. */
  readonly story?: Story;
}

/** Suspects of one kind, in the order in which to try them. */
export type Lineup = (lab: Laboratory) => Iterable<Suspect>;

export const CONVERT_AGAIN = 'Convert the checkpoint again.';
export const LOOK =
  'The model has what the checkpoint has: look at what PyTorch loaded, or at its code.';
export const TORCHVISION_GOLDEN =
  "Make the golden file again with torchvision's own model in eval mode, for example with golden/capture.py.";
