/** A reason for a failed parity check, found by trying it. */
export interface Cause {
  /** Stable name for machines, such as `transform-input`. */
  readonly id: string;
  /** What is the matter, in one clause: `transform_input was on in PyTorch`. */
  readonly summary: string;
  /** What to do about it, one sentence. */
  readonly cure: string;
  /** The tensor, layer or block concerned, under its torch name; null when it is the whole. */
  readonly where: string | null;
  /** Largest relative error of an image as it stands, and with the cause taken away. */
  readonly errorBefore: number;
  readonly errorAfter: number;
}

/** One suspect that was tried. */
export interface Attempt {
  readonly id: string;
  /** In words: `the input's channels swapped (BGR)`. */
  readonly description: string;
  /** Largest relative error of an image with it taken away; NaN where it could not be computed. */
  readonly error: number;
}

export interface Diagnosis {
  /** The cause that closes the gap; null when none of them does. */
  readonly cause: Cause | null;
  /** Everything that was tried, in order. */
  readonly attempts: readonly Attempt[];
  /** What could not be tried for want of something, and what would help; one sentence each. */
  readonly hints: readonly string[];
}
