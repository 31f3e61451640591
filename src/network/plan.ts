import { ScratchRoom, toFloat32 } from '../checkpoint/tensor/float32.js';
import { checkUnfolded, type StateDict, type TensorView } from '../checkpoint/tensor/tensor.js';
import { type OIHW, scaleOIHW, scaleToHWIO, toHWIO } from '../numbers/layout.js';
import { numel } from '../numbers/shape.js';
import type { Conv2d } from './value.js';
import { allFinite, findFaults, type WeightFaults } from './weight-faults.js';

/** What a target stores, and how each stored tensor comes of the state dict. */

/** A tensor of a written model. */
export interface StoredTensor {
  /** Its name in the model, such as `conv1/kernel`. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly recipe: Recipe;
}

/** How the values come about: each recipe but the folded ones can be read backwards. */
export type Recipe = Copy | Folded | Constant;

/** An entry of the state dict, every number of it. */
export interface Copy {
  readonly type: 'copy';
  readonly key: string;
  /** Of kernels and linear weights, which TensorFlow has as HWIO; absent for what stays as it is. */
  readonly oihw?: OIHW;
}

/** A convolution and the BatchNorm after it as one: kernel and bias. */
export interface Folded {
  readonly type: 'folded';
  readonly part: 'kernel' | 'bias';
  readonly conv: FoldedConv;
  /** As in {@link Copy}. */
  readonly oihw?: OIHW;
}

export type FoldedConv = Conv2d & Required<Pick<Conv2d, 'batchNorm'>>;

/**
 * Where a convolution's kernel and bias come from; BatchNorm is folded in where the graph did so. No bias where there
 * is none.
 * @param oihw of a kernel that TensorFlow is to have as HWIO
 */
export function convRecipes(
  op: Conv2d,
  oihw?: OIHW,
): { readonly kernel: Recipe; readonly bias?: Recipe } {
  const { module, bias, batchNorm } = op;
  const permuted = oihw === undefined ? {} : { oihw };
  if (batchNorm !== undefined) {
    const conv: FoldedConv = { ...op, batchNorm };
    const folded = { type: 'folded', conv } as const;
    return {
      kernel: { ...folded, part: 'kernel', ...permuted },
      bias: { ...folded, part: 'bias' },
    };
  }
  const copy = (field: string) => ({ type: 'copy', key: `${module}.${field}` }) as const;
  const kernel = { ...copy('weight'), ...permuted };
  return bias ? { kernel, bias: copy('bias') } : { kernel };
}

/** What no state dict holds. */
export interface Constant {
  readonly type: 'constant';
  readonly values: () => Float32Array;
}

/** The model's weights, one after the other, and what is wrong with those that they are made of. */
export interface FilledTensors {
  /** All weights in the order of the plan, without gaps. */
  readonly data: Float32Array;
  /** By the keys of the state dict. */
  readonly faults: WeightFaults;
}

export interface FillOptions {
  /** How a BatchNorm is folded; default as it is in evaluation mode. */
  readonly batchNorm?: FoldBatchNorm | undefined;
  /** Told how many numbers of the data are final, from its start. */
  readonly onFilled?: (data: Float32Array, count: number) => void;
}

/**
 * Computes the stored tensors of a state dict that fits: BatchNorm folded, kernels permuted. Folding is
 * done in float64 and rounded to float32 once.
 * @throws Pth2tfjsError `limit` as {@link checkUnfolded} does
 */
export function fillTensors(
  tensors: readonly StoredTensor[],
  stateDict: StateDict,
  { batchNorm = foldBatchNorm, onFilled = () => {} }: FillOptions = {},
): FilledTensors {
  const keys = [...new Set(tensors.flatMap(({ recipe }) => keysOf(recipe)))];
  checkUnfolded(keys.map((key) => stateDict.get(key) as TensorView));
  const sizes = tensors.map(({ shape }) => numel(shape));
  const data = new Float32Array(sizes.reduce((sum, size) => sum + size, 0));
  // The kernels, of which each is done with before the next is read, share the memory that reading takes.
  const room = new ScratchRoom(sizes.reduce((most, size) => Math.max(most, size), 0));
  const read: Read = (key, reuse) =>
    toFloat32(stateDict.get(key) as TensorView, reuse ? room : undefined);
  const folding = new Folding(read, batchNorm);
  /** Fills all, and gives each that is copied by its key. */
  function* fill(): Generator<[string, Float32Array]> {
    let at = 0;
    for (const { shape, recipe } of tensors) {
      const slot = data.subarray(at, at + numel(shape));
      at += slot.length;
      if (recipe.type === 'folded') folding.fill(slot, recipe);
      else if (recipe.type === 'constant') slot.set(recipe.values());
      else {
        const values = read(recipe.key, true);
        if (recipe.oihw === undefined) slot.set(values);
        else toHWIO(values, recipe.oihw, slot);
        yield [recipe.key, values];
      }
      onFilled(data, at);
    }
  }
  const copied = findFaults(fill());
  return { data, faults: joinFaults(copied, folding) };
}

/** What a recipe takes from the state dict. */
export function keysOf(recipe: Recipe): string[] {
  if (recipe.type === 'copy') return [recipe.key];
  if (recipe.type === 'constant') return [];
  const { module, batchNorm } = recipe.conv;
  return [`${module}.weight`, ...FIELDS.map((field) => `${batchNorm.module}.${field}`)];
}

type Numbers = Float32Array | Float64Array;

/** A BatchNorm as what it does to each channel: `x * scale + offset`, in float64. */
export type FoldBatchNorm = (
  gamma: Numbers,
  beta: Numbers,
  mean: Numbers,
  variance: Numbers,
  eps: number,
) => { readonly scale: Float64Array; readonly offset: Float64Array };

const FIELDS = ['weight', 'bias', 'running_mean', 'running_var'] as const;

/** BatchNorm in evaluation mode: `gamma * (x - mean) / sqrt(variance + eps) + beta`. */
export const foldBatchNorm: FoldBatchNorm = (gamma, beta, mean, variance, eps) => {
  const [scale, offset] = [new Float64Array(gamma.length), new Float64Array(gamma.length)];
  for (let c = 0; c < gamma.length; c++) {
    const factor = (gamma[c] as number) / Math.sqrt((variance[c] as number) + eps);
    scale[c] = factor;
    offset[c] = (beta[c] as number) - (mean[c] as number) * factor;
  }
  return { scale, offset };
};

/** The same with an epsilon of one's choice, whatever the network's is. */
export function batchNormWith(eps: number) {
  return (
    gamma: Numbers,
    beta: Numbers,
    mean: Numbers,
    variance: Numbers,
  ): ReturnType<FoldBatchNorm> => foldBatchNorm(gamma, beta, mean, variance, eps);
}

/** @param reuse whether what the last such call gave is not needed any more */
type Read = (key: string, reuse?: boolean) => Float32Array;

/** Folds convolutions, and notes which of them came out broken. */
class Folding {
  /** By their convolution's path; kernels and biases are filled one after the other. */
  private readonly broken = new Map<string, FoldedConv>();
  /** The tensor that makes a kernel zero, by its convolution's path. */
  private readonly zeros = new Map<string, string>();
  private kernels = 0;

  constructor(
    private readonly read: Read,
    private readonly batchNorm: FoldBatchNorm,
  ) {}

  fill(slot: Float32Array, { part, conv, oihw }: Folded): void {
    const { module, batchNorm } = conv;
    const [gamma, beta, mean, variance] = FIELDS.map((field) =>
      this.read(`${batchNorm.module}.${field}`),
    ) as Fields;
    const { scale, offset } = this.batchNorm(gamma, beta, mean, variance, batchNorm.eps);
    const finite =
      part === 'bias' ? fillBias(slot, offset) : this.fillKernel(slot, conv, scale, oihw);
    if (!finite) this.broken.set(module, conv);
  }

  /** Returns whether it is finite. */
  private fillKernel(
    slot: Float32Array,
    conv: FoldedConv,
    scale: Float64Array,
    oihw: OIHW | undefined,
  ): boolean {
    const { module, batchNorm } = conv;
    const weight = this.read(`${module}.weight`, true);
    const finite =
      oihw === undefined ? scaleOIHW(weight, scale, slot) : scaleToHWIO(weight, oihw, scale, slot);
    this.kernels++;
    if (slot.every(isZero)) {
      this.zeros.set(module, `${weight.every(isZero) ? module : batchNorm.module}.weight`);
    }
    return finite;
  }

  /** Which tensors of the folded convolutions are to blame. */
  faults(): WeightFaults {
    const broken = [...this.broken.values()];
    const faults = broken.map((conv) =>
      findFaults(
        keysOf({ type: 'folded', part: 'kernel', conv }).map((key) => [key, this.read(key)]),
      ),
    );
    const zero = [...this.zeros].filter(([module]) => !this.broken.has(module));
    return {
      nonFinite: faults.flatMap(({ nonFinite }) => nonFinite),
      negative: faults.flatMap(({ negative }) => negative),
      overflowing: broken.flatMap(({ module }, i) => {
        const { nonFinite = [], negative = [] } = faults[i] ?? {};
        return nonFinite.length + negative.length === 0 ? [`${module}.weight`] : [];
      }),
      zero: zero.map(([, key]) => key),
      allZero: zero.length === this.kernels,
    };
  }
}

type Fields = [Float32Array, Float32Array, Float32Array, Float32Array];

const isZero = (value: number) => value === 0;

function fillBias(slot: Float32Array, offset: Float64Array): boolean {
  slot.set(offset);
  return allFinite(slot);
}

function joinFaults(copied: WeightFaults, folding: Folding): WeightFaults {
  const folded = folding.faults();
  return {
    ...folded,
    nonFinite: [...folded.nonFinite, ...copied.nonFinite],
    negative: [...folded.negative, ...copied.negative],
    zero: [...folded.zero, ...copied.zero],
    allZero: copied.allZero && folded.allZero,
  };
}
