import { readPatch } from '../../local/convolve.js';
import { channelError, LOCAL_GOAL } from '../../local/errors.js';
import { activated, type ConvCase, convolved, usualWindows } from '../../local/layer-case.js';
import { leastSquares } from '../../local/least-squares.js';
import type { ConvExplainer } from './explanation.js';

/** Beyond this the equations take too long. */
const MOST_CHANNELS = 256;

/** A kernel that takes some input channels otherwise: half of it lost, one of them off. */
export const otherInputChannels: ConvExplainer = (each, { fromCheckpoint }) => {
  const factors = fitFactors(each);
  if (factors === null) return undefined;
  const kernel = each.kernel.map((value, i) => value * (factors[inputChannel(each, i)] as number));
  const error = channelError(
    each.expected,
    activated(convolved(each, { kernel }), each),
    each.channels,
  );
  if (error > 5 * LOCAL_GOAL) return undefined;
  const odd = factors.flatMap((factor, c) => (Math.abs(factor - 1) > 1e-3 ? [c] : []));
  if (odd.length === 0) return undefined;
  const zero = odd.every((c) => Math.abs(factors[c] as number) < 1e-3);
  const which = `${odd.length} of ${factors.length} input channels (${odd.slice(0, 4).join(', ')}${odd.length > 4 ? ' …' : ''})`;
  return {
    key: `input channels of ${each.name}`,
    id: 'corrupt-tensor',
    tensor: `${each.name}/kernel`,
    summary: (where) =>
      `${where}/kernel is ${zero ? 'zero' : 'scaled'} in PyTorch's network for ${which}, not so in the ${fromCheckpoint ? 'checkpoint' : 'model'}`,
    cure: 'Look at what PyTorch loaded, or at its code.',
    error,
  };
};

function inputChannel({ channels, block }: ConvCase, index: number): number {
  return Math.floor(index / channels) % block.inChannels;
}

/** The factor that each input channel has, by least squares over what ReLU let through. */
function fitFactors(each: ConvCase): number[] | null {
  const { block, channels, expected, kernel, scale, offset } = each;
  const { inChannels } = block;
  const seen = Array.from(expected.keys()).filter((i) => expected[i] !== 0);
  if (inChannels > MOST_CHANNELS || seen.length < 2 * inChannels) return null;
  const count = Math.min(seen.length, 4 * inChannels);
  const step = seen.length / count;
  const rows = Array.from({ length: count }, (_, i) => seen[Math.floor(i * step)] as number);
  const columns = Array.from({ length: inChannels }, () => new Float64Array(count));
  const patch = new Float64Array(kernel.length / channels);
  let last = -1;
  for (const [r, i] of rows.entries()) {
    const [position, o] = [Math.floor(i / channels), i % channels];
    if (position !== last)
      readPatch(each.input, usualWindows(block), each.positions[position] as never, patch);
    last = position;
    for (const [tap, value] of patch.entries()) {
      const column = columns[tap % inChannels] as Float64Array;
      column[r] = (column[r] as number) + value * (kernel[tap * channels + o] as number);
    }
  }
  const target = Float64Array.from(rows, (i) => {
    const o = i % channels;
    return ((expected[i] as number) - (offset[o] as number)) / (scale[o] as number);
  });
  return leastSquares(columns, target);
}
