import { channelError, LOCAL_GOAL } from '../../local/errors.js';
import { activated, type ConvCase, convolved } from '../../local/layer-case.js';
import { NAME } from '../../structure.js';
import { TORCHVISION_GOLDEN } from '../suspect.js';
import type { ConvExplainer, Explanation } from './explanation.js';

/** What may stand in a ReLU's place: none, and PyTorch's functions with their default arguments. */
export const ACTIVATIONS: readonly (readonly [name: string, f: (x: number) => number])[] = [
  ['', (x) => x],
  ['ReLU6', (x) => Math.min(6, Math.max(0, x))],
  ...[0.01, 0.1, 0.2, 0.25].map(
    (slope) =>
      [`LeakyReLU with a slope of ${slope}`, (x: number) => (x < 0 ? slope * x : x)] as const,
  ),
  ['ELU', (x) => (x < 0 ? Math.expm1(x) : x)],
  ['SELU', (x) => 1.0507009873554805 * (x < 0 ? 1.6732632423543772 * Math.expm1(x) : x)],
  ['SiLU', (x) => x / (1 + Math.exp(-x))],
  ['Mish', (x) => x * Math.tanh(Math.log1p(Math.exp(-Math.abs(x))) + Math.max(0, x))],
  ['GELU', (x) => (x / 2) * (1 + erf(x / Math.SQRT2))],
  ['GELU', (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))],
  ['Hardswish', (x) => (x * Math.min(6, Math.max(0, x + 3))) / 6],
  ['Softplus', (x) => Math.log1p(Math.exp(-Math.abs(x))) + Math.max(0, x)],
  ['sigmoid', (x) => 1 / (1 + Math.exp(-x))],
  ['tanh', Math.tanh],
  ['absolute value', Math.abs],
  ['Hardtanh', (x) => Math.min(1, Math.max(-1, x))],
];

/** Another function than ReLU after the BatchNorm, none, or one before the convolution. */
export const otherActivation: ConvExplainer = (each) => {
  const raw = convolved(each);
  for (const [name, activation] of [...ACTIVATIONS, capped(each)]) {
    const output = activated(raw, each, { activation });
    const error = channelError(each.expected, output, each.channels);
    if (error <= LOCAL_GOAL) return { ...activationStory(name), error };
  }
  return slopes(raw, each) ?? reluBefore(each);
};

export function activationStory(name: string): Omit<Explanation, 'error'> {
  return {
    key: `activation ${name}`,
    id: 'activation',
    summary: (where) =>
      name === ''
        ? `PyTorch's network has no ReLU after ${where}`
        : `PyTorch's network has ${name} where ${NAME} has ReLU, after ${where}`,
    cure: TORCHVISION_GOLDEN,
  };
}

/** ReLU cut off where the largest number is, if that is reached again and again. */
function capped({ expected }: ConvCase) {
  const largest = expected.reduce((a, b) => Math.max(a, b), 0);
  const often = expected.filter((value) => value === largest).length > 2;
  const most = often ? largest : Infinity;
  const name = `ReLU cut off at ${Number(most.toPrecision(4))}`;
  return [name, (x: number) => Math.min(most, Math.max(0, x))] as const;
}

/** Negative numbers times a slope, one for all channels or for each its own. */
function slopes(raw: Float64Array, each: ConvCase): Explanation | undefined {
  const { channels, expected } = each;
  const linear = activated(raw, each, { activation: (x) => x });
  const [products, squares] = [new Float64Array(channels), new Float64Array(channels)];
  for (const [i, value] of linear.entries()) {
    if (value >= 0) continue;
    const c = i % channels;
    products[c] = (products[c] as number) + value * (expected[i] as number);
    squares[c] = (squares[c] as number) + value * value;
  }
  const found = products.map((product, c) =>
    squares[c] === 0 ? 0 : product / (squares[c] as number),
  );
  const output = linear.map((x, i) => (x < 0 ? x * (found[i % channels] as number) : x));
  const error = channelError(expected, output, channels);
  const sloping = found.filter((slope) => Math.abs(slope) > 1e-6).length;
  // One number in a channel is met by some slope, whatever it is.
  const negative = linear.filter((x, i) => x < 0 && expected[i] !== 0).length;
  if (error > LOCAL_GOAL || sloping < channels / 4 || negative < 3 * sloping) return undefined;
  return { ...activationStory('PReLU, or LeakyReLU with another slope,'), error };
}

/** The blocks begin with ReLU, which the next one then does for the one before it. */
function reluBefore(each: ConvCase): Explanation | undefined {
  if (!each.input.data.some((value) => value < 0)) return undefined;
  const input = { ...each.input, data: each.input.data.map((value) => Math.max(0, value)) };
  const raw = convolved(each, { input });
  for (const activation of [(x: number) => x, (x: number) => Math.max(0, x)]) {
    const output = activated(raw, each, { activation });
    const error = channelError(each.expected, output, each.channels);
    if (error <= LOCAL_GOAL) return { ...RELU_BEFORE, error };
  }
  return undefined;
}

export const RELU_BEFORE: Omit<Explanation, 'error'> = {
  key: 'relu before',
  id: 'activation',
  summary: (where) =>
    `PyTorch's network has ReLU before the convolution, not after BatchNorm, in ${where}`,
  cure: TORCHVISION_GOLDEN,
};

/** By Abramowitz and Stegun's 7.1.26, to 1.5e-7. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429];
  const sum = series.reduceRight((rest, coefficient) => (rest + coefficient) * t, 0);
  return Math.sign(x) * (1 - sum * Math.exp(-x * x));
}
