import { outputSize, type Windows } from '../../local/convolve.js';
import { LOCAL_GOAL } from '../../local/errors.js';
import { type ConvCase, errorOf, usualWindows } from '../../local/layer-case.js';
import { FIRST } from '../../structure.js';
import { TORCHVISION_GOLDEN } from '../suspect.js';
import type { ConvExplainer } from './explanation.js';

/** A convolution whose windows lie otherwise: stride, padding, dilation, and what lies beyond the edge. */
export const otherWindows: ConvExplainer = (each) => {
  for (const windows of candidates(each)) {
    const error = errorOf(each, { windows }, LOCAL_GOAL);
    if (error > LOCAL_GOAL) continue;
    const words = difference(usualWindows(each.block), windows);
    return {
      key: `windows ${words}`,
      id:
        each.name === FIRST && words.startsWith('a padding of') ? 'conv1-padding' : 'conv-windows',
      summary: (where) => `PyTorch's network has ${where} with ${words}`,
      cure: TORCHVISION_GOLDEN,
      error,
    };
  }
  return undefined;
};

/** All that give a map of the recorded size. */
function* candidates({ block, input, output }: ConvCase): Iterable<Windows> {
  const usual = usualWindows(block);
  const fits = (windows: Windows) => outputSize(input.height, windows) === output.height;
  for (const border of ['reflect', 'replicate', 'circular'] as const) {
    if (usual.padding > 0 && fits(usual)) yield { ...usual, border };
  }
  for (const stride of [usual.stride, 1, 2, 3, 4]) {
    for (const dilation of [1, 2, 3]) {
      for (let padding = 0; padding <= usual.kernel + 1; padding++) {
        const windows = { ...usual, stride, dilation, padding };
        // A kernel of one pixel has no dilation, and more zeros than windows see change nothing.
        if (usual.kernel === 1 && dilation > 1) continue;
        if (fits(windows)) yield windows;
      }
    }
  }
  // TensorFlow's `same` pads less before the first pixel than after the last one.
  const total = (output.height - 1) * usual.stride + usual.kernel - input.height;
  const before = Math.floor(total / 2);
  if (total > 0 && 2 * before !== total) yield { ...usual, padding: before };
}

function difference(usual: Windows, found: Windows): string {
  const parts = (['stride', 'padding', 'dilation'] as const)
    .filter((key) => usual[key] !== found[key])
    .map((key) => `${key} of ${found[key]} instead of ${usual[key]}`);
  if (found.border !== 'zeros') parts.push(`padding_mode '${found.border}' instead of zeros`);
  return parts
    .join(' and ')
    .replaceAll(/ and ([a-z_]+) of/g, ' and a $1 of')
    .replace(/^(stride|padding of|dilation)/, 'a $1');
}
