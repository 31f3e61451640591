import { readPatch } from '../../local/convolve.js';
import { activated, type ConvCase, convolved, usualWindows } from '../../local/layer-case.js';

/**
 * The one weight of a channel that differs: then what separates each pixel is in proportion to what
 * that weight is multiplied with.
 * @returns such as `conv3/kernel[1, 2, 5, 7]`, HWIO; undefined where it is more than one weight
 */
export function singleTap(each: ConvCase, odd: readonly number[]): string | undefined {
  const [channel] = odd;
  if (channel === undefined || odd.length > 1) return undefined;
  const output = activated(convolved(each), each);
  const windows = usualWindows(each.block);
  const taps = each.kernel.length / each.channels;
  const patch = new Float64Array(taps);
  const [products, squares] = [new Float64Array(taps), new Float64Array(taps)];
  let norm = 0;
  for (const [row, position] of each.positions.entries()) {
    const at = row * each.channels + channel;
    const [wanted, found] = [each.expected[at] as number, output[at] as number];
    if (wanted === 0 || found === 0) continue;
    readPatch(each.input, windows, position, patch);
    norm += (wanted - found) ** 2;
    for (let tap = 0; tap < taps; tap++) {
      const value = patch[tap] as number;
      products[tap] = (products[tap] as number) + value * (wanted - found);
      squares[tap] = (squares[tap] as number) + value * value;
    }
  }
  const cosine = (tap: number) =>
    Math.abs(products[tap] as number) / Math.sqrt((squares[tap] as number) * norm);
  const alike = Array.from(products.keys()).filter((tap) => cosine(tap) > 0.99999);
  const [tap] = alike;
  if (tap === undefined || alike.length > 1) return undefined;
  const { kernel: side, inChannels } = each.block;
  const i = tap % inChannels;
  const pixel = Math.floor(tap / inChannels);
  return `${each.name}/kernel[${Math.floor(pixel / side)}, ${pixel % side}, ${i}, ${channel}]`;
}
