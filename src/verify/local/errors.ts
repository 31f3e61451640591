/**
 * How far a layer's values lie from PyTorch's: the largest distance of one channel, in the norm that a
 * channel has in the mean. A fault in one channel shows as well as one in all.
 * @param expected `[positions, channels]`
 */
export function channelError(
  expected: Float64Array,
  actual: Float64Array,
  channels: number,
): number {
  if (expected.length !== actual.length) return Infinity;
  return Math.max(...channelErrors(expected, actual, channels));
}

/** The same of each channel. */
export function channelErrors(
  expected: Float64Array,
  actual: Float64Array,
  channels: number,
): Float64Array {
  const squares = new Float64Array(channels);
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    const [wanted, found] = [expected[i] as number, actual[i] as number];
    norm += wanted * wanted;
    squares[i % channels] = (squares[i % channels] as number) + (found - wanted) ** 2;
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
