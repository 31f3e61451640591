import { toFloat32 } from '../../checkpoint/tensor/float32.js';
import {
  contiguousBytes,
  type StateDict,
  type TensorView,
} from '../../checkpoint/tensor/tensor.js';
import { foldBatchNorm } from '../../network/plan.js';
import type { Conv2d, Linear } from '../../network/value.js';
import { type Arithmetic, arrayOf, type Weights } from './convolve.js';
import type { Floats } from './multiply.js';

/** The numbers of a network, by its operations; kernels OIHW, linear weights `[out, in]`. */
export interface Parameters {
  /** With BatchNorm in them where the graph has it so. */
  conv(op: Conv2d): Weights;
  linear(op: Linear): { readonly weight: Floats; readonly bias?: Floats | undefined };
  batchNorm(module: string): {
    readonly weight: Floats;
    readonly bias: Floats;
    readonly mean: Floats;
    readonly variance: Floats;
  };
}

/** Tensors by the keys that they have in a state dict. */
export type ReadTensor = (key: string) => Floats;

/** Those of a state dict, each read once. */
export function readStateDict(stateDict: StateDict): ReadTensor {
  const known = new Map<string, Floats>();
  return (key) => {
    const found = known.get(key) ?? numbersOf(stateDict.get(key) as TensorView);
    known.set(key, found);
    return found;
  };
}

/** A tensor exactly as it is stored. */
export function numbersOf(view: TensorView): Floats {
  if (view.dtype !== 'float64') return toFloat32(view);
  const { buffer, byteOffset, byteLength } = contiguousBytes(view);
  const bytes = new DataView(buffer, byteOffset, byteLength);
  return Float64Array.from({ length: byteLength / 8 }, (_, i) => bytes.getFloat64(8 * i, true));
}

/**
 * A network's numbers from its tensors. A convolution that BatchNorm was folded into is folded in float64, and rounded
 * once where it is to run in float32, as a converted model has it.
 * @param read gives tensors by the keys of a state dict; where `folded`, a convolution's are folded already
 */
export function parametersOf(read: ReadTensor, arithmetic: Arithmetic, folded = false): Parameters {
  const convolutions = new Map<string, Weights>();
  const bn = (module: string) => ({
    weight: read(`${module}.weight`),
    bias: read(`${module}.bias`),
    mean: read(`${module}.running_mean`),
    variance: read(`${module}.running_var`),
  });
  return {
    batchNorm: bn,
    linear: ({ module, bias }) => ({
      weight: read(`${module}.weight`),
      bias: bias ? read(`${module}.bias`) : undefined,
    }),
    conv: (op) => {
      const known = convolutions.get(op.module) ?? conv(op);
      convolutions.set(op.module, known);
      return known;
    },
  };

  function conv({ module, bias, batchNorm }: Conv2d): Weights {
    const kernel = read(`${module}.weight`);
    if (batchNorm === undefined) {
      return { kernel, bias: bias ? read(`${module}.bias`) : undefined };
    }
    if (folded) return { kernel, bias: read(`${module}.bias`) };
    if (bias) throw new Error(`${module} has a bias before BatchNorm`);
    const { weight, bias: beta, mean, variance } = bn(batchNorm.module);
    const { scale, offset } = foldBatchNorm(weight, beta, mean, variance, batchNorm.eps);
    const product = arrayOf(arithmetic, kernel.length);
    const depth = kernel.length / scale.length;
    for (let i = 0, o = 0; o < scale.length; o++) {
      const factor = scale[o] as number;
      for (const end = i + depth; i < end; i++) product[i] = (kernel[i] as number) * factor;
    }
    return { kernel: product, bias: arrayOf(arithmetic, offset) };
  }
}
