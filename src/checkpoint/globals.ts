import { Pth2tfjsError } from '../errors.js';
import { DTYPES, STORAGE_TYPES } from './dtype.js';
import { DTypeConstant, OpaqueObject, StorageType } from './inert.js';
import type { Kind } from './opcodes.js';
import {
  type Budget,
  orderedDict,
  rebuildFromType,
  rebuildParameter,
  rebuildQuantized,
  rebuildTensor,
  rebuildTensorV2,
  rebuildTensorV3,
} from './rebuild.js';

/**
 * The allow-list: every global that a checkpoint may name, by its full name, and the inert value
 * that stands for it here. Nothing of it runs code that the file chooses. The names are those that
 * torch.save writes (torch/_utils.py, torch/_tensor.py, torch/serialization.py), those that
 * torch/_weights_only_unpickler.py admits, and plain containers that training scripts save along.
 */

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
    {
      offset,
      hint: `if you trust the file, in Python: ${resave("['KEY']")}, where KEY names the weights`,
    },
  );
}

function resave(select: string): string {
  return `torch.save(torch.load('in.pth', map_location='cpu', weights_only=False)${select}, 'out.pth')`;
}

function unsupported(what: string, hint: string): Call {
  return () => {
    throw new Pth2tfjsError('unsupported', `the checkpoint holds ${what}`, { hint });
  };
}

/** Python 3 has them in `builtins`, Python 2 in `__builtin__`. */
const BUILTINS =
  'bool bytearray bytes complex dict float frozenset int list object range set slice str tuple'.split(
    ' ',
  );

/** Names whose objects are kept opaque: containers and records that training scripts save along. */
const OPAQUE = [
  ...BUILTINS.flatMap((name) => [`builtins.${name}`, `__builtin__.${name}`]),
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
  yield [
    'collections.defaultdict',
    { makes: 'ordered dict', call: ([, ...items], budget) => orderedDict(items, budget) },
  ];
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
