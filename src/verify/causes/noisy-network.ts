import { option } from '../../base/option.js';
import { noiseBeyond } from '../bound.js';
import type { Cause } from '../diagnosis.js';
import type { Failure } from '../failure.js';
import { exponent } from '../report/words.js';
import { rtolThatPasses } from '../tolerance.js';

/** Beyond this, rounding is not worth measuring: a network that is so noisy tells classes apart by chance. */
const WORTH_MEASURING = 1e-2;

/**
 * Whether nothing is the matter but that the network makes more of float32's rounding than `verify` allows of
 * itself. Whoever knows that of a network may allow it.
 */
export async function noisyNetwork({
  model,
  golden,
  failing,
}: Failure): Promise<Cause | undefined> {
  const { comparison, backend, basis, stored, logits } = failing;
  const { rtol } = comparison.required;
  const open = basis.from === 'measured' || (basis.from === 'default' && basis.why === 'beyond');
  if (!open || stored !== undefined || !(rtol <= WORTH_MEASURING)) return undefined;
  const errors = comparison.images.map(({ relativeError }) => relativeError);
  const worst = errors.indexOf(Math.max(...errors));
  const rounds = backend.precision === 'float32';
  const measured = { stored: model, golden, logits, errors, weights: null, rounds, always: false };
  const noise = noiseBeyond(measured, worst);
  if (noise === undefined || rtol > noise) return undefined;
  return {
    id: 'float32-noise',
    summary: `the network makes so much of rounding that two correct runs in float32 may lie ${exponent(noise)} apart`,
    cure: `Pass ${option('rtol', rtolThatPasses(rtol))} if that is known of this network; a BatchNorm with tiny running variances is the usual reason.`,
    where: null,
    errorBefore: rtol,
    errorAfter: rtol,
  };
}
