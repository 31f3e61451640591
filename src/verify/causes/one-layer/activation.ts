import { channelError, LOCAL_GOAL } from '../../local/errors.js';
import { activated, convolved } from '../../local/layer-case.js';
import { TORCHVISION_GOLDEN } from '../suspect.js';
import type { ConvExplainer } from './explanation.js';

/** What may stand in a ReLU's place: PyTorch's functions with their default arguments. */
const ACTIVATIONS: readonly (readonly [name: string, f: (x: number) => number])[] = [
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

/** Another function than ReLU after the BatchNorm, or none. */
export const otherActivation: ConvExplainer = (each) => {
  const raw = convolved(each);
  for (const [name, activation] of ACTIVATIONS) {
    const output = activated(raw, each, { activation });
    const error = channelError(each.expected, output, each.channels);
    if (error > LOCAL_GOAL) continue;
    return {
      key: `activation ${name}`,
      id: 'activation',
      summary: (where) =>
        name === ''
          ? `PyTorch's network has no ReLU after ${where}`
          : `PyTorch's network has ${name} where GoogLeNet has ReLU, after ${where}`,
      cure: TORCHVISION_GOLDEN,
      error,
    };
  }
  return undefined;
};

/** By Abramowitz and Stegun's 7.1.26, to 1.5e-7. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429];
  const sum = series.reduceRight((rest, coefficient) => (rest + coefficient) * t, 0);
  return Math.sign(x) * (1 - sum * Math.exp(-x * x));
}
