import { option } from '../../base/option.js';
import type { Cause } from '../diagnosis.js';
import { DEFAULT_RTOL, rtolThatPasses } from '../tolerance.js';
import type { BackendResult } from '../verification.js';
import type { Lineup } from './suspect.js';

/** The model as it is, on the backend that is known to compute in plain float32. */
export function asItIs({ backend, comparison }: BackendResult): Lineup {
  return function* () {
    if (backend.name === 'wasm' || backend.name === 'cpu') return;
    const tf32 = backend.precision === 'tf32';
    yield {
      id: tf32 ? 'precision-tf32' : 'backend',
      description: 'the same model on wasm',
      summary: tf32
        ? `the backend ${backend.name} computes in TF32, which rounds to 10 bits`
        : `the model is right, and the backend ${backend.name} (${backend.device}) computes otherwise than wasm`,
      cure: tf32
        ? `Leave ${option('tf32')} away, or allow for it with ${option('rtol', rtolThatPasses(comparison.required.rtol))}.`
        : 'Use another backend, or another driver; the model needs no change.',
      variation: {},
    };
  };
}

/** Whether the error is within what the precision gives, so that only the bound is to blame. */
export function roundingAlone({ comparison, backend, basis }: BackendResult): Cause | undefined {
  const { rtol } = comparison.required;
  if (basis.from !== 'given' || !(rtol <= DEFAULT_RTOL[backend.precision])) return undefined;
  return {
    id: 'tolerance-too-tight',
    summary: `nothing but rounding in ${backend.precision}, and a tolerance tighter than that`,
    cure: `Leave the tolerance at its default, or pass at least ${option('rtol', rtolThatPasses(rtol))}.`,
    where: null,
    errorBefore: rtol,
    errorAfter: rtol,
  };
}

/** Whether top-1 alone fails, between classes that lie closer together than rounding. */
export function nearTie(result: BackendResult): Cause | undefined {
  const { rtol } = result.comparison.required;
  const { images, tolerance } = result.comparison;
  if (!tolerance.top1 || !(rtol <= DEFAULT_RTOL[result.backend.precision])) return undefined;
  const failing = images.filter(({ passed }) => !passed);
  const tied = failing.filter(
    ({ margin, maxAbsoluteError, top5 }) =>
      top5.expected[0] !== top5.actual[0] && margin <= 2 * maxAbsoluteError,
  );
  if (tied.length === 0 || tied.length < failing.length) return undefined;
  return {
    id: 'near-tie',
    summary: `PyTorch's two best classes of image ${tied.map(({ image }) => image).join(', ')} lie closer together than rounding`,
    cure: `Leave ${option('top1')} away, or take an image that is no tie.`,
    where: null,
    errorBefore: rtol,
    errorAfter: rtol,
  };
}
