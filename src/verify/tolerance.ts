import type { Precision } from '../tfjs/backends.js';

/** What an image's logits must satisfy. Every bound that is given must hold. */
export interface Tolerance {
  /** Bound on ‖actual − expected‖ / ‖expected‖; null for none. */
  readonly rtol: number | null;
  /** Bound on the largest absolute difference of one logit; null for none. */
  readonly atol: number | null;
  /** Whether the class with the largest logit must be the same. */
  readonly top1: boolean;
}

/** What a caller may ask for. Without `rtol` and `atol`, the precision's default bounds apply. */
export interface ToleranceOptions {
  readonly rtol?: number | undefined;
  readonly atol?: number | undefined;
  readonly top1?: boolean | undefined;
}

/**
 * The default bound on an image's relative error, by the precision that the backend computes in.
 *
 * `float32`: two correct float32 implementations sum in different orders, so they differ. Measured on
 * the bundled checkpoint, whose random weights amplify rounding more than trained ones do: PyTorch's
 * own float32 logits lie 3e-6 to 1.6e-5 from its float64 logits, image by image, and TensorFlow.js
 * lies 5e-6 to 2.3e-5 from PyTorch. Gentle faults give more: 0.1 % of noise in one tensor 3e-4,
 * BatchNorm with PyTorch's default epsilon instead of GoogLeNet's 3e-3 to 6e-2. So 5e-5 leaves a
 * factor of two above the noise, and of six below the gentlest of these.
 *
 * `tf32` and `float16` both keep 10 bits of mantissa where float32 keeps 23. Emulated in PyTorch
 * (rounding to nearest even of the inputs and weights of every convolution and linear layer for TF32,
 * of every tensor for float16; native half of torch 2.13 agrees within 5 %), the bundled network strays
 * from float32 by 4e-3 to 2.0e-2 in either, 20 random networks by 6e-4 to 3.5e-3. So 5e-2 leaves the
 * same factor of two above; it still tells a flipped transform_input (0.15 to 0.63), but not a wrong
 * epsilon: such faults are to be looked for in float32.
 */
export const DEFAULT_RTOL: Readonly<Record<Precision, number>> = {
  float32: 5e-5,
  tf32: 5e-2,
  float16: 5e-2,
};

/** The bounds for one backend: those asked for, else the default of its precision. */
export function toleranceFor(precision: Precision, options: ToleranceOptions): Tolerance {
  const { rtol, atol, top1 = false } = options;
  const asked = rtol !== undefined || atol !== undefined;
  return { rtol: rtol ?? (asked ? null : DEFAULT_RTOL[precision]), atol: atol ?? null, top1 };
}
