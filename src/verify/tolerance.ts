import { Pth2tfjsError } from '../base/errors.js';
import { option } from '../base/option.js';
import type { Precision } from '../runtimes/backend.js';
import type { Quantization } from '../stored-model/quantization.js';

/** What an image's logits must satisfy. Every bound that is given must hold. */
export interface Tolerance {
  /** Bound on ‖actual − expected‖ / ‖expected‖; null for none. */
  readonly rtol: number | null;
  /** Bound on the largest absolute difference of one logit; null for none. */
  readonly atol: number | null;
  /** Whether the class with the largest logit must be the same. */
  readonly top1: boolean;
}

/**
 * What a caller may ask for. Without `rtol` and `atol`, the bound is measured where that takes about a second, else
 * it is the precision's default; with `measured`, it is measured whatever that takes.
 */
export interface ToleranceOptions {
  readonly rtol?: number | 'measured' | undefined;
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
 * BatchNorm with PyTorch's default epsilon instead of the network's own 3e-3 to 6e-2. So 5e-5 leaves a
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
  // What is left is PyTorch's own rounding.
  float64: 5e-5,
  float32: 5e-5,
  tf32: 5e-2,
  float16: 5e-2,
};

/**
 * The default bound for a model whose kernels are stored in less than float32. Measured on the bundled
 * checkpoint, which amplifies rounding: float16 strays by 1.5e-2, uint16 by 2.5e-3, uint8 by 4.5e-1. The
 * bound is that of the precisions with as few bits, and for the same reason: it still tells a flipped
 * transform_input. A model that strays farther, as uint8 may, needs a bound of its user's own.
 */
const STORED_RTOL = DEFAULT_RTOL.float16;

/** The default bound on an image's relative error, for what computes and for how the kernels are stored. */
export function defaultRtol(precision: Precision, stored: Quantization | undefined): number {
  return Math.max(DEFAULT_RTOL[precision], stored === undefined ? 0 : STORED_RTOL);
}

/** @throws Pth2tfjsError `usage` for a bound that is none */
export function checkTolerance({ rtol, atol }: ToleranceOptions): void {
  for (const [name, bound] of [
    ['rtol', rtol],
    ['atol', atol],
  ] as const) {
    if (bound === undefined || bound === 'measured' || bound >= 0) continue;
    const more = name === 'rtol' ? ', or measured' : '';
    throw new Pth2tfjsError('usage', `${option(name)} takes a number of at least 0${more}`);
  }
}

/** Whether the caller leaves the bound on the relative error to us. */
export function isOpen({ rtol, atol }: ToleranceOptions): boolean {
  return rtol === 'measured' || (rtol === undefined && atol === undefined);
}

/** The bounds for one backend: those asked for, else the default. */
export function toleranceFor(
  precision: Precision,
  options: ToleranceOptions,
  stored?: Quantization,
): Tolerance {
  const { rtol, atol = null, top1 = false } = options;
  if (isOpen(options)) return { rtol: defaultRtol(precision, stored), atol, top1 };
  return { rtol: typeof rtol === 'number' ? rtol : null, atol, top1 };
}

/**
 * A bound that an error is within, as `--rtol` takes it: two digits, rounded up with a hundredth to spare
 * for backends that add in another order.
 */
export function rtolThatPasses(error: number): string {
  const wanted = error * 1.01;
  if (!Number.isFinite(wanted) || wanted === 0) return String(wanted);
  const [digits = '', power = ''] = wanted.toExponential(12).split('e');
  return `${Number(`${Math.ceil(Number(digits) * 10)}e${Number(power) - 1}`).toExponential(1)}`;
}
