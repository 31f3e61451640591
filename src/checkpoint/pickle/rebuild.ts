import { Pth2tfjsError } from '../../base/errors.js';
import type { DType } from '../tensor/dtype.js';
import {
  type LazyBits,
  type Quantizer,
  TensorStorage,
  TensorView,
  validateView,
} from '../tensor/tensor.js';
import type { Budget } from './budget.js';
import { CallableGlobal, DTypeConstant, OrderedDict } from './inert.js';

/**
 * What PyTorch's rebuild functions make of their arguments, as tensor views.
 * Sources: torch/_utils.py, torch/_tensor.py.
 */

function corrupt(message: string): never {
  throw new Pth2tfjsError('corrupt', message);
}

/** A copy, because the pickle may still append to what it passed. */
function integers(value: unknown, what: string): number[] {
  if (Array.isArray(value) && value.every((n) => typeof n === 'number')) return [...value];
  return corrupt(`a tensor's ${what} is no tuple of integers`);
}

/** What some rebuild functions say beside the four arguments that all of them have. */
interface TensorExtras {
  readonly dtype?: DType;
  readonly quantizer?: Quantizer;
  readonly lazy?: LazyBits;
}

/** torch._utils._rebuild_tensor(storage, storage_offset, size, stride). */
export function rebuildTensor(args: readonly unknown[], more: TensorExtras = {}): TensorView {
  const [storage, offset, size, stride] = args;
  if (!(storage instanceof TensorStorage)) return corrupt('a tensor without a storage');
  const dtype = more.dtype ?? storage.dtype;
  if (dtype === undefined) return corrupt('a tensor over an untyped storage without a dtype');
  if (typeof offset !== 'number') return corrupt(`a tensor's offset is no integer`);
  if (more.lazy !== undefined && !/float|complex/.test(dtype)) {
    return corrupt(`a ${dtype} tensor that waits to be negated`);
  }
  const shape = integers(size, 'size');
  const strides = integers(stride, 'stride');
  return validateView(
    new TensorView(dtype, shape, strides, offset, storage, more.quantizer, more.lazy),
  );
}

/** torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks, metadata). */
export function rebuildTensorV2(args: readonly unknown[]): TensorView {
  const lazy = lazyBits(args[6]);
  return rebuildTensor(args, lazy === undefined ? {} : { lazy });
}

/** `{"conj": …, "neg": …}`: PyTorch looks for the keys, not at their values. */
function lazyBits(metadata: unknown): LazyBits | undefined {
  if (!(metadata instanceof Map)) return undefined;
  const [conj, neg] = [metadata.has('conj'), metadata.has('neg')];
  return conj || neg ? { conj, neg } : undefined;
}

/** torch._utils._rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype, …). */
export function rebuildTensorV3(args: readonly unknown[]): TensorView {
  const dtype = args[6];
  if (!(dtype instanceof DTypeConstant)) return corrupt('a tensor without a dtype');
  const lazy = lazyBits(args[7]);
  return rebuildTensor(args, { dtype: dtype.dtype, ...(lazy === undefined ? {} : { lazy }) });
}

/**
 * torch._utils._rebuild_qtensor(storage, offset, size, stride, quantizer, …), where the quantizer is
 * (torch.per_tensor_affine, scale, zero_point) or (torch.per_channel_affine, scales, zeros, axis).
 */
export function rebuildQuantized(args: readonly unknown[]): TensorView {
  const [, scale, zeroPoint, axis = 0] = Array.isArray(args[4]) ? (args[4] as unknown[]) : [];
  if (typeof scale === 'number' && typeof zeroPoint === 'number') {
    return rebuildTensor(args, { quantizer: { scale, zeroPoint, axis: 0 } });
  }
  const channels = integers(args[2], 'size')[axis as number];
  const perChannel = (value: unknown): value is TensorView =>
    value instanceof TensorView &&
    value.quantizer === undefined &&
    String(value.shape) === String(channels);
  if (typeof axis === 'number' && perChannel(scale) && perChannel(zeroPoint)) {
    return rebuildTensor(args, { quantizer: { scale, zeroPoint, axis } });
  }
  return corrupt('a quantized tensor whose scales do not fit its shape');
}

/** torch._utils._rebuild_parameter[_with_state](data, requires_grad, hooks, state): the tensor itself. */
export function rebuildParameter([data, , , state]: readonly unknown[]): TensorView {
  refuseNewData(state);
  return data instanceof TensorView ? data : corrupt('a parameter without a tensor');
}

/** torch._tensor._rebuild_from_type_v2(function, type, args, state): a tensor with attributes. */
export function rebuildFromType(
  [rebuild, , args, state]: readonly unknown[],
  budget: Budget,
): TensorView {
  if (!(rebuild instanceof CallableGlobal) || !Array.isArray(args)) {
    return corrupt('a tensor subclass without a rebuild function');
  }
  refuseNewData(state);
  budget.entries -= args.length + 1;
  if (budget.entries < 0) {
    throw new Pth2tfjsError('limit', 'calls with too many arguments');
  }
  const tensor: unknown = rebuild.call(args, budget);
  return tensor instanceof TensorView ? tensor : corrupt('a tensor subclass without a tensor');
}

/** Attributes are set on the rebuilt tensor, and these would replace its elements. */
function refuseNewData(state: unknown): void {
  for (const attributes of Array.isArray(state) ? state : [state]) {
    if (!(attributes instanceof Map)) continue;
    const name = ['data', 'real', 'imag'].find((key) => attributes.has(key));
    if (name !== undefined) corrupt(`a tensor whose state replaces its ${name}`);
  }
}

/** OrderedDict(), or with entries: `[(key, value), …]` as Python 2 writes it, or another dict. */
export function orderedDict([items]: readonly unknown[], budget: Budget): OrderedDict {
  const dict = new OrderedDict();
  for (const item of items instanceof Map || Array.isArray(items) ? [...items] : []) {
    if (--budget.entries < 0) throw new Pth2tfjsError('limit', 'the dicts hold too many entries');
    if (!Array.isArray(item) || item.length !== 2) return corrupt('an entry of a dict is no pair');
    dict.set(item[0], item[1]);
  }
  return dict;
}
