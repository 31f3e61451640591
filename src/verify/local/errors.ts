/**
 * How far a layer's values lie from PyTorch's: the largest distance of one channel, in the norm that a
 * channel has in the mean. A fault in one channel shows as well as one in all.
 * @param expected `[positions, channels]`
 * @param whole what the norm is taken of, where these are only some of the positions: no error is then
 *   larger than that of all
 */
export function channelError(
  expected: Float64Array,
  actual: Float64Array,
  channels: number,
  whole: Float64Array = expected,
): number {
  if (expected.length !== actual.length) return Infinity;
  return Math.max(...channelErrors(expected, actual, channels, whole));
}

/** The same of each channel. */
export function channelErrors(
  expected: Float64Array,
  actual: Float64Array,
  channels: number,
  whole: Float64Array = expected,
): Float64Array {
  const squares = new Float64Array(channels);
  let norm = 0;
  for (let i = 0; i < whole.length; i++) norm += (whole[i] as number) ** 2;
  for (let at = 0; at < expected.length; at += channels) {
    for (let c = 0; c < channels; c++) {
      const difference = (actual[at + c] as number) - (expected[at + c] as number);
      squares[c] = (squares[c] as number) + difference * difference;
    }
  }
  const mean = norm / channels;
  return squares.map((square) => (square === 0 ? 0 : Math.sqrt(square / mean)));
}

/**
 * Below this a layer counts as right. On the bundled network PyTorch's float32 lies within 3e-6 of
 * float64, layer by layer from PyTorch's own input; the gentlest fault that shows in the logits is a
 * multiple of that.
 */
export const LOCAL_GOAL = 2e-5;
