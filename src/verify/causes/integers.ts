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
  const low = new Float64Array(channels).fill(Infinity);
  const high = new Float64Array(channels).fill(-Infinity);
  for (const [i, value] of kernel.entries()) {
    const c = i % channels;
    low[c] = Math.min(low[c] as number, value);
    high[c] = Math.max(high[c] as number, value);
  }
  const grids = Array.from(low, (least, c) => grid(least, high[c] as number));
  return kernel.map((value, i) => {
    const { step, start = 0, least = -Infinity, most = Infinity } = grids[i % channels] ?? NONE;
    if (step === 0) return value;
    return start + step * Math.min(most, Math.max(least, Math.round((value - start) / step)));
  });
}

const NONE: ReturnType<Grid> = { step: 0 };
