/** Weights that no training leaves behind, by their names; a network that has them means nothing. */
export interface WeightFaults {
  /** Hold NaN or an infinity. */
  readonly nonFinite: readonly string[];
  /** Variances so far below zero that they have no root. */
  readonly negative: readonly string[];
  /** Finite, but beyond float32 once BatchNorm is folded into them. */
  readonly overflowing: readonly string[];
  /** Kernels of zeros alone. */
  readonly zero: readonly string[];
  /** Whether these are all the kernels that there are. */
  readonly allZero: boolean;
}

/** Kernels, as PyTorch's keys and TensorFlow.js's weights name them. */
const KERNEL = /(^|\.)(conv|fc\d?)\.weight$|\/kernel$/;
/** Kernels that no file decides. */
const CONSTANT = /^transform_input\/|\.avgpool\/kernel$/;
const VARIANCE = /\.running_var$|\/moving_variance$/;

/**
 * Looks for faults in the weights of a network.
 * @param weights each by its key in PyTorch, or its name in TensorFlow.js; read one at a time
 */
export function findFaults(weights: Iterable<readonly [string, Float32Array]>): WeightFaults {
  const [nonFinite, negative, zero]: [string[], string[], string[]] = [[], [], []];
  let kernels = 0;
  for (const [name, values] of weights) {
    const kernel = isKernel(name);
    if (kernel) kernels++;
    if (!allFinite(values)) nonFinite.push(name);
    else if (VARIANCE.test(name) && values.some(hasNoRoot)) negative.push(name);
    else if (kernel && values.every((value) => value === 0)) zero.push(name);
  }
  return { nonFinite, negative, overflowing: [], zero, allZero: zero.length === kernels };
}

/** Whether a weight is a kernel that training decides. */
export function isKernel(name: string): boolean {
  return KERNEL.test(name) && !CONSTANT.test(name);
}

/** What torchvision's networks add to a variance at most: GoogLeNet and Inception v3, 1e-3. */
const MOST_EPSILON = 1e-3;

const hasNoRoot = (variance: number) => !(variance + MOST_EPSILON > 0);

/** Zero times anything finite is zero; infinities and NaN give NaN, which then stays. */
export function allFinite(values: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] as number) * 0;
  return sum === 0;
}

/** What a user should know of them, one sentence each. */
export function faultWarnings(faults: WeightFaults): string[] {
  const { nonFinite, negative, overflowing, zero, allZero } = faults;
  const nothing =
    'the logits mean nothing, even where a backend that swallows NaN gives classes that look right';
  const kinds = [
    [nonFinite, `NaN or infinity in ${some(nonFinite)}: ${nothing}`],
    [negative, `a negative variance in ${some(negative)}: ${nothing}`],
    [
      overflowing,
      `${some(overflowing)} is too large for float32 with BatchNorm folded: ${nothing}`,
    ],
    [
      zero,
      allZero
        ? 'every kernel is zero, as in a file that was written without its data: the logits are the same for all images'
        : `zeros alone in ${some(zero)}, which then gives the same for all images`,
    ],
  ] as const;
  return kinds.filter(([names]) => names.length > 0).map(([, text]) => text);
}

const SHOWN = 5;

function some(names: readonly string[]): string {
  const rest = names.length > SHOWN ? `, and ${names.length - SHOWN} more` : '';
  return `${names.slice(0, SHOWN).join(', ')}${rest}`;
}
