import { DTYPES, STORAGE_TYPES } from '../tensor/dtype.js';
import type { Budget } from './budget.js';
import { DTypeConstant, OpaqueGlobal, OpaqueObject, StorageType } from './inert.js';
import { decodeLatin1, rebuildFromNumpy } from './numpy.js';
import type { Kind } from './opcodes.js';
import {
  orderedDict,
  rebuildFromType,
  rebuildParameter,
  rebuildQuantized,
  rebuildTensor,
  rebuildTensorV2,
  rebuildTensorV3,
} from './rebuild.js';

/**
 * The allow-list: every global that has a meaning here, by its full name, and the inert value that
 * stands for it. Nothing of it runs code that the file chooses. The names are those that
 * torch.save writes (torch/_utils.py, torch/_tensor.py, torch/serialization.py), those that
 * torch/_weights_only_unpickler.py admits, and plain containers that training scripts save along.
 * Other names stay opaque, or are refused (`danger`).
 */

export interface Global {
  /** What the verifier may assume of the value that the global, or a call of it, makes. */
  readonly makes: Kind;
  /** The value itself, for a global that is not called. */
  readonly value?: unknown;
  readonly call?: (args: readonly unknown[], budget: Budget) => unknown;
}

/** Python 3 has them in `builtins`, Python 2 in `__builtin__`. */
const BUILTINS =
  'Ellipsis NotImplemented bool bytearray bytes complex dict float frozenset int list long object range set slice str tuple type unicode xrange'.split(
    ' ',
  );

/** Names whose objects are kept opaque: containers and records that training scripts save along. */
const OPAQUE = [
  ...BUILTINS.flatMap((name) => [`builtins.${name}`, `__builtin__.${name}`]),
  'functools.partial',
  'argparse.Namespace',
  'types.SimpleNamespace',
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

const UNTYPED_STORAGES = [
  'torch.UntypedStorage',
  'torch.storage.UntypedStorage',
  'torch.storage._UntypedStorage',
];

/** What PyTorch would make a tensor of, and has no elements to read here. */
const UNREADABLE: readonly (readonly [name: string, what: string, hint: string])[] = [
  ['torch._utils._rebuild_sparse_tensor', 'a sparse tensor', 'save tensor.to_dense() instead'],
  ['torch._utils._rebuild_sparse_csr_tensor', 'a sparse tensor', 'save tensor.to_dense() instead'],
  ['torch._utils._rebuild_nested_tensor', 'a nested tensor', 'save its parts instead'],
  [
    'torch._utils._rebuild_meta_tensor_no_storage',
    'a meta tensor, which has no data',
    'save the model after its weights are loaded',
  ],
  ['torch._utils._rebuild_wrapper_subclass', 'a tensor subclass', 'save plain tensors instead'],
];

/** Under which name a version of PyTorch rebuilds tensors of devices whose bytes it does not store. */
const FROM_NUMPY = [
  'device_tensor_from_numpy',
  'xla_tensor',
  'mlc_tensor',
  'ort_tensor',
  'hpu_tensor',
];

function* entries(): Generator<[string, Global]> {
  for (const name of OPAQUE) {
    yield [name, { makes: 'object', call: (args) => new OpaqueObject(name, args, true) }];
  }
  for (const name of TYPES) yield [name, { makes: 'constant', value: new OpaqueGlobal(name) }];
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
  yield [
    'collections.defaultdict',
    { makes: 'ordered dict', call: ([, ...items], budget) => orderedDict(items, budget) },
  ];
  yield ['collections.deque', { makes: 'list', call: ([items]) => listOf(items) }];
  yield ['_codecs.encode', { makes: 'bytes', call: ([text]) => decodeLatin1(text) }];
  for (const [name, what, hint] of UNREADABLE) {
    const call: Global['call'] = (args) => new OpaqueObject(name, args, true, { what, hint });
    yield [name, { makes: 'object', call }];
  }
  for (const name of FROM_NUMPY) {
    yield [`torch._utils._rebuild_${name}`, { makes: 'tensor', call: rebuildFromNumpy }];
  }
  yield [
    'torch._utils._rebuild_device_tensor_from_cpu_tensor',
    { makes: 'tensor', call: ([tensor]) => rebuildParameter([tensor]) },
  ];
  yield ['torch._utils._rebuild_tensor', { makes: 'tensor', call: (args) => rebuildTensor(args) }];
  yield ['torch._utils._rebuild_tensor_v2', { makes: 'tensor', call: rebuildTensorV2 }];
  yield ['torch._utils._rebuild_tensor_v3', { makes: 'tensor', call: rebuildTensorV3 }];
  yield ['torch._utils._rebuild_qtensor', { makes: 'tensor', call: rebuildQuantized }];
  yield ['torch._utils._rebuild_parameter', { makes: 'tensor', call: rebuildParameter }];
  yield ['torch._utils._rebuild_parameter_with_state', { makes: 'tensor', call: rebuildParameter }];
  yield ['torch._tensor._rebuild_from_type_v2', { makes: 'tensor', call: rebuildFromType }];
}

export const ALLOWED_GLOBALS: ReadonlyMap<string, Global> = new Map(entries());

function listOf(items: unknown): unknown[] {
  return Array.isArray(items) ? [...items] : [];
}
