import { Pth2tfjsError } from '../errors.js';
import { DTYPES, type DType } from './dtype.js';
import type { Kind } from './opcodes.js';
import {
  type LazyBits,
  type Quantizer,
  TensorStorage,
  TensorView,
  validateView,
} from './tensor.js';

/**
 * The allow-list: every global that a checkpoint may name, by its full name, and the inert value
 * that stands for it here. Nothing of it runs code that the file chooses. The names are those that
 * torch.save writes (torch/_utils.py, torch/_tensor.py, torch/serialization.py), those that
 * torch/_weights_only_unpickler.py admits, and plain containers that training scripts save along.
 */

/** A Python object that is kept for what it is called, and never interpreted. */
export class OpaqueObject {
  state: unknown;

  constructor(
    readonly global: string,
    readonly args: readonly unknown[],
  ) {}

  /** Called for BUILD; keeps the state instead of assigning its keys as properties. */
  __setstate__(state: unknown): void {
    this.state = state;
  }
}

/** collections.OrderedDict and its kin. Attributes such as a state dict's `_metadata` stay apart. */
export class OrderedDict extends Map<unknown, unknown> {
  attributes: unknown;

  /** Called for BUILD; pickleparser would copy a `__dict__` into the entries. */
  __setstate__(state: unknown): void {
    this.attributes = state;
  }
}

/** A storage class such as torch.FloatStorage, which says how a storage's bytes are read. */
export class StorageType {
  constructor(readonly dtype: DType | undefined) {}
}

/** A dtype object such as torch.float32. */
class DTypeConstant {
  constructor(readonly dtype: DType) {}
}

/** Work that one pickle may still cause; shared lists could otherwise multiply it without bound. */
export interface Budget {
  entries: number;
}

export interface Global {
  /** What the verifier may assume of the value that the global, or a call of it, makes. */
  readonly makes: Kind;
  /** The value itself, for a global that is not called. */
  readonly value?: unknown;
  readonly call?: (args: readonly unknown[], budget: Budget) => unknown;
}

type Call = NonNullable<Global['call']>;

/** @throws Pth2tfjsError `unsafe-global`, or `unsupported-format` for a whole pickled module. */
export function refuseGlobal(name: string, offset: number): never {
  if (/^(torch\.nn\.(modules|parallel)|torchvision|timm|__torch__)\./.test(name)) {
    throw new Pth2tfjsError(
      'unsupported-format',
      `a whole pickled module, not a state dict: it needs the class ${name} (pickle, byte ${offset})`,
      { offset, hint: `in Python: ${resave('.state_dict()')}` },
    );
  }
  throw new Pth2tfjsError(
    'unsafe-global',
    `the pickle asks for ${name.slice(0, 200)} (pickle, byte ${offset}), which is not on the allow-list; nothing was run`,
    { offset, hint: `if you trust the file, in Python: ${resave("['state_dict']")}` },
  );
}

function resave(select: string): string {
  return `torch.save(torch.load('in.pth', map_location='cpu', weights_only=False)${select}, 'out.pth')`;
}

function corrupt(message: string): never {
  throw new Pth2tfjsError('corrupt', message);
}

function unsupported(what: string, hint: string): Call {
  return () => {
    throw new Pth2tfjsError('unsupported', `the checkpoint holds ${what}`, { hint });
  };
}

const integers = (value: unknown, what: string): number[] => {
  if (!Array.isArray(value) || !value.every((n) => typeof n === 'number')) {
    return corrupt(`a tensor's ${what} is no tuple of integers`);
  }
  return value;
};

/** What some rebuild functions say beside the four arguments that all of them have. */
interface TensorExtras {
  readonly dtype?: DType;
  readonly quantizer?: Quantizer;
  readonly lazy?: LazyBits;
}

/** torch._utils._rebuild_tensor(storage, storage_offset, size, stride). */
function rebuildTensor(args: readonly unknown[], more: TensorExtras = {}): TensorView {
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
function rebuildTensorV2(args: readonly unknown[]): TensorView {
  const lazy = lazyBits(args[6]);
  return rebuildTensor(args, lazy === undefined ? {} : { lazy });
}

/** `{"conj": True, "neg": True}`, or absent; only floating-point tensors can carry these. */
function lazyBits(metadata: unknown): LazyBits | undefined {
  if (!(metadata instanceof Map)) return undefined;
  const [conj, neg] = [metadata.get('conj') === true, metadata.get('neg') === true];
  return conj || neg ? { conj, neg } : undefined;
}

/** torch._utils._rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype, …). */
function rebuildTensorV3(args: readonly unknown[]): TensorView {
  const dtype = args[6];
  if (!(dtype instanceof DTypeConstant)) return corrupt('a tensor without a dtype');
  const lazy = lazyBits(args[7]);
  return rebuildTensor(args, { dtype: dtype.dtype, ...(lazy === undefined ? {} : { lazy }) });
}

/**
 * torch._utils._rebuild_qtensor(storage, offset, size, stride, quantizer, …), where the quantizer is
 * (torch.per_tensor_affine, scale, zero_point) or (torch.per_channel_affine, scales, zeros, axis).
 */
function rebuildQuantized(args: readonly unknown[]): TensorView {
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

/** torch._utils._rebuild_parameter(data, requires_grad, hooks): the tensor itself. */
function rebuildParameter([data]: readonly unknown[]): TensorView {
  return data instanceof TensorView ? data : corrupt('a parameter without a tensor');
}

/** torch._tensor._rebuild_from_type_v2(function, type, args, state): a tensor with attributes. */
function rebuildFromType([rebuild, , args]: readonly unknown[]): unknown {
  if (typeof rebuild !== 'function' || !Array.isArray(args)) {
    return corrupt('a tensor subclass without a rebuild function');
  }
  const tensor: unknown = rebuild(...args);
  return tensor instanceof TensorView ? tensor : corrupt('a tensor subclass without a tensor');
}

/** OrderedDict(), or OrderedDict([(key, value), …]) as Python 2 writes it. */
function orderedDict([items]: readonly unknown[], budget: Budget): OrderedDict {
  const dict = new OrderedDict();
  for (const item of Array.isArray(items) ? items : []) {
    if (--budget.entries < 0) throw new Pth2tfjsError('limit', 'the dicts hold too many entries');
    if (!Array.isArray(item) || item.length !== 2) return corrupt('an entry of a dict is no pair');
    dict.set(item[0], item[1]);
  }
  return dict;
}

/** Names whose objects are kept opaque: containers and records that training scripts save along. */
const OPAQUE = [
  ...['list', 'dict', 'tuple', 'set', 'frozenset', 'int', 'float', 'bool', 'str', 'bytes'].flatMap(
    (name) => [`builtins.${name}`, `__builtin__.${name}`],
  ),
  ...['bytearray', 'complex', 'slice', 'range', 'object'].flatMap((name) => [
    `builtins.${name}`,
    `__builtin__.${name}`,
  ]),
  '_codecs.encode',
  'argparse.Namespace',
  'types.SimpleNamespace',
  'collections.deque',
  'datetime.date',
  'datetime.datetime',
  'datetime.timedelta',
  'pathlib.Path',
  'pathlib.PosixPath',
  'pathlib.PurePosixPath',
  'pathlib.WindowsPath',
  'pathlib.PureWindowsPath',
  'pathlib._local.PosixPath',
  'pathlib._local.WindowsPath',
  ...['numpy.core', 'numpy._core'].flatMap((core) => [
    `${core}.multiarray._reconstruct`,
    `${core}.multiarray.scalar`,
    `${core}.numeric._frombuffer`,
  ]),
  'numpy.dtype',
  'numpy.ndarray',
  'torch.Size',
  'torch.device',
  'torch.torch_version.TorchVersion',
  'torch.serialization._get_layout',
];

/** Classes that rebuild functions name but that need no meaning here. */
const TYPES = [
  'torch.Tensor',
  'torch.nn.parameter.Parameter',
  'torch.nn.parameter.Buffer',
  'torch.per_tensor_affine',
  'torch.per_channel_affine',
];

/** torch.FloatStorage and the like, named after C's types, not after the dtypes. */
const STORAGE_TYPES: Readonly<Record<string, DType>> = {
  DoubleStorage: 'float64',
  FloatStorage: 'float32',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
  ComplexDoubleStorage: 'complex128',
  ComplexFloatStorage: 'complex64',
  QInt32Storage: 'qint32',
  QInt8Storage: 'qint8',
  QUInt8Storage: 'quint8',
};

const UNTYPED_STORAGES = [
  'torch.UntypedStorage',
  'torch.storage.UntypedStorage',
  'torch.storage._UntypedStorage',
];

const UNSUPPORTED: readonly (readonly [name: string, what: string, hint: string])[] = [
  ['torch._utils._rebuild_sparse_tensor', 'a sparse tensor', 'save tensor.to_dense() instead'],
  ['torch._utils._rebuild_sparse_csr_tensor', 'a sparse tensor', 'save tensor.to_dense() instead'],
  ['torch._utils._rebuild_nested_tensor', 'a nested tensor', 'save its parts instead'],
  [
    'torch._utils._rebuild_meta_tensor_no_storage',
    'a meta tensor, which has no data',
    'save the model after its weights are loaded',
  ],
  ['torch._utils._rebuild_wrapper_subclass', 'a tensor subclass', 'save plain tensors instead'],
  [
    'torch._utils._rebuild_device_tensor_from_numpy',
    'a tensor of another device',
    "save tensor.to('cpu') instead",
  ],
  [
    'torch._utils._rebuild_device_tensor_from_cpu_tensor',
    'a tensor of another device',
    "save tensor.to('cpu') instead",
  ],
];

function* entries(): Generator<[string, Global]> {
  for (const name of OPAQUE) {
    yield [name, { makes: 'object', call: (args) => new OpaqueObject(name, args) }];
  }
  for (const name of TYPES) yield [name, { makes: 'constant', value: new OpaqueObject(name, []) }];
  for (const [name, dtype] of Object.entries(STORAGE_TYPES)) {
    const global: Global = { makes: 'constant', value: new StorageType(dtype) };
    yield [`torch.${name}`, global];
    yield [`torch.cuda.${name}`, global];
  }
  for (const name of UNTYPED_STORAGES) {
    yield [name, { makes: 'constant', value: new StorageType(undefined) }];
  }
  for (const dtype of DTYPES) {
    yield [`torch.${dtype}`, { makes: 'constant', value: new DTypeConstant(dtype) }];
  }
  for (const name of ['OrderedDict', 'Counter']) {
    yield [`collections.${name}`, { makes: 'ordered dict', call: orderedDict }];
  }
  yield ['collections.defaultdict', { makes: 'ordered dict', call: () => new OrderedDict() }];
  for (const [name, what, hint] of UNSUPPORTED) {
    yield [name, { makes: 'tensor', call: unsupported(what, hint) }];
  }
  yield ['torch._utils._rebuild_tensor', { makes: 'tensor', call: (args) => rebuildTensor(args) }];
  yield ['torch._utils._rebuild_tensor_v2', { makes: 'tensor', call: rebuildTensorV2 }];
  yield ['torch._utils._rebuild_tensor_v3', { makes: 'tensor', call: rebuildTensorV3 }];
  yield ['torch._utils._rebuild_qtensor', { makes: 'tensor', call: rebuildQuantized }];
  yield ['torch._utils._rebuild_parameter', { makes: 'tensor', call: rebuildParameter }];
  yield ['torch._utils._rebuild_parameter_with_state', { makes: 'tensor', call: rebuildParameter }];
  yield ['torch._tensor._rebuild_from_type_v2', { makes: 'tensor', call: rebuildFromType }];
}

export const ALLOWED_GLOBALS: ReadonlyMap<string, Global> = new Map(entries());
