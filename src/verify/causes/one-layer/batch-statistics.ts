import { convolveAt } from '../../local/convolve.js';
import { type ConvCase, usualWindows } from '../../local/layer-case.js';
import { allPositions } from '../../local/planes.js';

/** Mean and biased variance over the batch of what the convolution gives in some channels. */
export function batchStatistics(each: ConvCase, channels: readonly number[]) {
  const kernel = kernelOf(each, channels);
  const images = Array.from({ length: each.output.images }, (_, image) => image);
  const positions = allPositions(each.output, images);
  const raw = convolveAt(each.input, kernel, usualWindows(each.block), positions);
  const count = raw.length / channels.length;
  const mean = channels.map(() => 0);
  const variance = channels.map(() => 0);
  const each_ = (visit: (value: number, c: number) => void) => {
    for (const [i, value] of raw.entries()) visit(value, i % channels.length);
  };
  each_((value, c) => {
    mean[c] = (mean[c] as number) + value / count;
  });
  each_((value, c) => {
    variance[c] = (variance[c] as number) + (value - (mean[c] as number)) ** 2 / count;
  });
  return { mean, variance };
}

/** The kernel of some output channels alone. */
function kernelOf({ kernel, channels: all }: ConvCase, channels: readonly number[]): Float32Array {
  const taps = kernel.length / all;
  const part = new Float32Array(taps * channels.length);
  for (let tap = 0; tap < taps; tap++) {
    for (const [i, c] of channels.entries()) {
      part[tap * channels.length + i] = kernel[tap * all + c] as number;
    }
  }
  return part;
}
