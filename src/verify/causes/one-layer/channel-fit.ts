import type { ConvCase } from '../../local/layer-case.js';

/** What BatchNorm did to each channel, from what went in and came out. */
export interface Affine {
  readonly scale: Float64Array;
  readonly offset: Float64Array;
  /** Channels of which enough was seen. */
  readonly seen: readonly number[];
}

/** Least squares where ReLU let the values through; null where too little was seen to tell. */
export function fitChannels(
  raw: Float64Array,
  each: Pick<ConvCase, 'channels' | 'expected' | 'scale' | 'offset'>,
): Affine | null {
  const { channels, expected } = each;
  const [scale, offset] = [each.scale.slice(), each.offset.slice()];
  const seen: number[] = [];
  let spare = 0;
  for (let c = 0; c < channels; c++) {
    const line = fitLine(raw, expected, c, channels);
    if (line === null) continue;
    [scale[c], offset[c]] = [line.scale, line.offset];
    spare += line.count - 2;
    seen.push(c);
  }
  return seen.length >= channels / 2 && spare >= channels ? { scale, offset, seen } : null;
}

function fitLine(x: Float64Array, y: Float64Array, channel: number, channels: number) {
  let [count, sx, sy, largest] = [0, 0, 0, 0];
  for (let i = channel; i < x.length; i += channels) {
    if (y[i] === 0) continue;
    count++;
    sx += x[i] as number;
    sy += y[i] as number;
    largest = Math.max(largest, Math.abs(x[i] as number));
  }
  if (count < 3) return null;
  const [mx, my] = [sx / count, sy / count];
  let [sxx, sxy] = [0, 0];
  for (let i = channel; i < x.length; i += channels) {
    if (y[i] === 0) continue;
    sxx += ((x[i] as number) - mx) ** 2;
    sxy += ((x[i] as number) - mx) * ((y[i] as number) - my);
  }
  // Values that hardly vary tell of no slope.
  if (!(sxx > (1e-5 * largest) ** 2)) return null;
  const scale = sxy / sxx;
  return { count, scale, offset: my - scale * mx };
}
