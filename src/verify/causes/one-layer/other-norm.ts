import { channelError, LOCAL_GOAL } from '../../local/errors.js';
import { activated, type ConvCase, convolved } from '../../local/layer-case.js';
import { allPositions, valuesAt } from '../../local/planes.js';
import {
  INSTANCE_NORM,
  NORM_EPSILONS,
  normStory,
  OTHER_NORMS,
  type OtherNorm,
  standardize,
} from '../norms.js';
import { fitChannels } from './channel-fit.js';
import type { ConvExplainer, Explanation } from './explanation.js';

/** Statistics of each image by itself in place of BatchNorm's: they need all pixels of an image. */
export const otherNorm: ConvExplainer = (each) => {
  const whole = wholeImages(each);
  const raw = convolved(whole);
  if (each.batchNorm === null) return fitted(whole, raw);
  for (const norm of OTHER_NORMS) {
    for (const eps of NORM_EPSILONS) {
      const found = withParameters(whole, standardized(whole, raw, norm, eps), norm);
      if (found !== undefined) return found;
    }
  }
  return undefined;
};

/** Products that take about a second. */
const MOST_PRODUCTS = 5e8;

/** The layer at every pixel of two images, which tells images apart; of one where two take too long. */
function wholeImages(each: ConvCase): ConvCase {
  const { output, kernel } = each;
  const products = output.height * output.width * kernel.length;
  const images = output.images > 1 && 2 * products <= MOST_PRODUCTS ? [0, 1] : [0];
  const positions = allPositions(output, images);
  return { ...each, positions, expected: valuesAt(output, positions) };
}

/** All images, each by itself. */
function standardized(
  { output, channels }: ConvCase,
  raw: Float64Array,
  norm: OtherNorm,
  eps: number,
): Float64Array {
  const length = output.height * output.width * channels;
  const out = new Float64Array(raw.length);
  for (let at = 0; at < raw.length; at += length) {
    out.set(standardize(raw.subarray(at, at + length), channels, norm, eps), at);
  }
  return out;
}

/** With the checkpoint's weight and bias, or with none. */
function withParameters(
  whole: ConvCase,
  values: Float64Array,
  norm: OtherNorm,
): Explanation | undefined {
  const { gamma, beta } = whole.batchNorm ?? {};
  const none = { scale: whole.scale.map(() => 1), offset: whole.offset.map(() => 0) };
  const own = gamma && beta && { scale: Float64Array.from(gamma), offset: Float64Array.from(beta) };
  for (const affine of [own, norm.bare ? none : undefined]) {
    if (affine === undefined) continue;
    const error = channelError(whole.expected, activated(values, whole, affine), whole.channels);
    if (error <= MOST_ERROR) return { ...normStory(norm), error };
  }
  return undefined;
}

/** Dividing by a small deviation magnifies PyTorch's rounding. */
const MOST_ERROR = 10 * LOCAL_GOAL;

/** Without the checkpoint, each channel's own scale is lost, which standardising takes out again. */
function fitted(whole: ConvCase, raw: Float64Array): Explanation | undefined {
  // One image's own statistics are those of a BatchNorm like any other.
  if (new Set(whole.positions.map(({ image }) => image)).size < 2) return undefined;
  const values = standardized(whole, raw, INSTANCE_NORM, 0).map((value) =>
    Number.isFinite(value) ? value : 0,
  );
  const fit = fitChannels(values, whole);
  if (fit === null) return undefined;
  const error = channelError(whole.expected, activated(values, whole, fit), whole.channels);
  return error <= MOST_FITTED ? { ...normStory(INSTANCE_NORM), error } : undefined;
}

/** Of the epsilon nothing is known but that it is small beside a variance. */
const MOST_FITTED = 1e-3;
