/** Rounding to integers of few bits, as people quantise weights. */
export interface IntegerRounding {
  readonly bits: 4 | 8;
  /** @param channels the innermost axis: a scale may be each output channel's own, or one for all */
  readonly round: (kernel: Float32Array, channels: number) => Float32Array;
}

/** int8 and uint8, symmetric and not, of tensors and of channels; and int4. */
export const INTEGER_ROUNDINGS: readonly IntegerRounding[] = [
  { bits: 8, round: (kernel, channels) => rounded(kernel, channels, symmetric(127)) },
  { bits: 8, round: (kernel) => rounded(kernel, 1, symmetric(127)) },
  { bits: 8, round: (kernel, channels) => rounded(kernel, channels, symmetric(127.5)) },
  { bits: 8, round: (kernel) => rounded(kernel, 1, symmetric(127.5)) },
  { bits: 8, round: (kernel, channels) => rounded(kernel, channels, fromZero) },
  { bits: 8, round: (kernel) => rounded(kernel, 1, fromZero) },
  { bits: 8, round: (kernel, channels) => rounded(kernel, channels, fromLeast) },
  { bits: 8, round: (kernel) => rounded(kernel, 1, fromLeast) },
  { bits: 4, round: (kernel, channels) => rounded(kernel, channels, symmetric(7)) },
  { bits: 4, round: (kernel) => rounded(kernel, 1, symmetric(7)) },
];

/** Where the numbers lie that there are: `start + step * q`, with q from `least` to `most`. */
type Grid = (
  low: number,
  high: number,
) => {
  readonly step: number;
  readonly start?: number;
  readonly least?: number;
  readonly most?: number;
};

/** 127.5 is how PyTorch's observers count what -128 to 127 holds. */
const symmetric =
  (levels: number): Grid =>
  (low, high) => ({ step: Math.max(high, -low) / levels, most: Math.floor(levels) });

/** As PyTorch's observers have it: zero is one of the numbers, and the ends may be cut off. */
const fromZero: Grid = (low, high) => {
  const step = (Math.max(high, 0) - Math.min(low, 0)) / 255;
  const least = Math.round(Math.min(low, 0) / step);
  return { step, least, most: least + 255 };
};

const fromLeast: Grid = (low, high) => ({ step: (high - low) / 255, start: low });

function rounded(kernel: Float32Array, channels: number, grid: Grid): Float32Array {
  const { low, high } = rangesOf(kernel, channels);
  const grids = Array.from(low, (from, c) => grid(from, high[c] as number));
  const steps = Float64Array.from(grids, ({ step }) => step);
  const starts = Float64Array.from(grids, ({ start = 0 }) => start);
  const leasts = Float64Array.from(grids, ({ least = -Infinity }) => least);
  const mosts = Float64Array.from(grids, ({ most = Infinity }) => most);
  const out = new Float32Array(kernel.length);
  for (let at = 0; at < kernel.length; at += channels) {
    for (let c = 0; c < channels; c++) {
      const value = kernel[at + c] as number;
      const [step, start] = [steps[c] as number, starts[c] as number];
      // Twice as fast as Math.round.
      const q = Math.floor((value - start) / step + 0.5);
      const level = Math.min(mosts[c] as number, Math.max(leasts[c] as number, q));
      out[at + c] = step === 0 ? value : start + step * level;
    }
  }
  return out;
}

/** The least and the largest number of each channel. */
function rangesOf(kernel: Float32Array, channels: number) {
  const low = new Float64Array(channels).fill(Infinity);
  const high = new Float64Array(channels).fill(-Infinity);
  for (let at = 0; at < kernel.length; at += channels) {
    for (let c = 0; c < channels; c++) {
      const value = kernel[at + c] as number;
      if (value < (low[c] as number)) low[c] = value;
      if (value > (high[c] as number)) high[c] = value;
    }
  }
  return { low, high };
}
