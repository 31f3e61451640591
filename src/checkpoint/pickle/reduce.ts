import { Pth2tfjsError } from '../../base/errors.js';
import { DTYPES, type DType, itemSize, STORAGE_TYPES } from '../tensor/dtype.js';
import {
  type Quantizer,
  type TensorStorage,
  type TensorView,
  toLittleEndian,
  validateView,
} from '../tensor/tensor.js';
import { Call, Float, Global, PersistentId, type PickleValue, Text } from './pickle-value.js';

/**
 * Tensors as PyTorch takes them apart to be pickled: a call of one of its rebuild functions, over
 * storages that lie outside of the pickle.
 * Sources: torch/_tensor.py (_reduce_ex_internal), torch/serialization.py (persistent_id).
 */

export const ORDERED_DICT = new Global('collections', 'OrderedDict');
const REBUILD = new Global('torch._utils', '_rebuild_tensor_v2');
const REBUILD_UNTYPED = new Global('torch._utils', '_rebuild_tensor_v3');
const REBUILD_QUANTIZED = new Global('torch._utils', '_rebuild_qtensor');
const PER_TENSOR = new Global('torch', 'per_tensor_affine');
const PER_CHANNEL = new Global('torch', 'per_channel_affine');
const UNTYPED_STORAGE = new Global('torch.storage', 'UntypedStorage');
const STORAGE = new Text('storage');
const CPU = new Text('cpu');

const DTYPE_OBJECTS: ReadonlyMap<DType, Global> = new Map(
  DTYPES.map((dtype) => [dtype, new Global('torch', dtype)]),
);
const STORAGE_CLASSES: ReadonlyMap<DType, Global> = new Map(
  Object.entries(STORAGE_TYPES).map(([name, dtype]) => [dtype, new Global('torch', name)]),
);

/** A storage as one file holds it. */
export interface SavedStorage {
  readonly key: string;
  /** Undefined for an untyped one, whose elements are bytes. */
  readonly dtype: DType | undefined;
  readonly numel: number;
  /** The elements, little-endian. */
  readonly bytes: Uint8Array;
}

type Saved = SavedStorage & {
  /** The key as the one object that the ids of a zip archive name. */
  readonly text: Text;
};

/** The name of a storage in the file, by its place in the order of first use. */
export type NameStorage = (index: number, storage: TensorStorage) => string;

/** Takes tensors apart for one file, and gathers their storages in the order of first use. */
export class Reducer {
  private readonly saved = new Map<TensorStorage, Saved>();
  private readonly calls = new Map<TensorView, Call>();

  constructor(
    private readonly format: 'zip' | 'legacy',
    private readonly name: NameStorage = String,
  ) {}

  get storages(): readonly SavedStorage[] {
    return [...this.saved.values()];
  }

  /**
   * The call that makes the tensor anew; the same call for the same view.
   * @throws Pth2tfjsError `corrupt` for a view that makes no sense, `unsupported` for one that PyTorch
   *   would not save, or not read back.
   */
  tensor(view: TensorView): Call {
    const call = this.calls.get(view) ?? this.reduce(validateView(view));
    this.calls.set(view, call);
    return call;
  }

  private reduce(view: TensorView): Call {
    const { dtype, shape, strides, offset, quantizer, lazy } = view;
    const place = [this.storageId(view), offset, [...shape], [...strides]];
    const plain = [false, new Call(ORDERED_DICT, [])];
    if (quantizer !== undefined) {
      return new Call(REBUILD_QUANTIZED, [...place, this.quantizer(quantizer), ...plain]);
    }
    const bits = Object.entries(lazy ?? {}).filter(([, set]) => set);
    const metadata = bits.length > 0 ? [new Map(bits)] : [];
    if (STORAGE_CLASSES.has(dtype)) return new Call(REBUILD, [...place, ...plain, ...metadata]);
    const type = DTYPE_OBJECTS.get(dtype) as Global;
    return new Call(REBUILD_UNTYPED, [...place, ...plain, type, ...metadata]);
  }

  private quantizer({ scale, zeroPoint, axis }: Quantizer): PickleValue {
    if (typeof scale === 'number' && typeof zeroPoint === 'number') {
      return [PER_TENSOR, new Float(scale), zeroPoint];
    }
    const channels = [scale, zeroPoint].map((value) =>
      typeof value === 'number' ? value : this.tensor(value),
    );
    return [PER_CHANNEL, ...channels, axis];
  }

  /** The key is one str in zip archives; for legacy streams PyTorch makes a new one each time. */
  private storageId(view: TensorView): PersistentId {
    const { key, text, dtype, numel } = this.storage(view);
    const type = dtype === undefined ? UNTYPED_STORAGE : (STORAGE_CLASSES.get(dtype) as Global);
    if (this.format === 'zip') return new PersistentId([STORAGE, type, text, CPU, numel]);
    return new PersistentId([STORAGE, type, key, CPU, numel, null]);
  }

  private storage({ dtype, storage, quantizer }: TensorView): Saved {
    const type = STORAGE_CLASSES.has(dtype) ? dtype : undefined;
    if (type === undefined && this.format === 'legacy') {
      throw unsupported(`a ${dtype} tensor in a legacy stream`, 'save a zip archive instead');
    }
    if (dtype.startsWith('q') !== (quantizer !== undefined)) {
      throw unsupported(`a ${dtype} tensor with${quantizer === undefined ? 'out' : ''} a scale`);
    }
    const known = this.saved.get(storage) ?? this.add(storage, dtype, type);
    if (known.dtype === type) return known;
    throw unsupported('a storage that tensors share under several types', 'save copies instead');
  }

  private add(storage: TensorStorage, dtype: DType, type: DType | undefined): Saved {
    const size = type === undefined ? 1 : itemSize(type);
    const { bytes: held, byteLength } = storage;
    if (held.length !== byteLength || byteLength % size !== 0) {
      const text = `a storage of ${held.length} bytes where ${byteLength} in elements of ${size} are due`;
      throw new Pth2tfjsError('corrupt', text);
    }
    const key = this.name(this.saved.size, storage);
    const bytes = toLittleEndian(held, storage.bigEndian, dtype);
    const saved = { key, text: new Text(key), dtype: type, numel: byteLength / size, bytes };
    this.saved.set(storage, saved);
    return saved;
  }
}

function unsupported(what: string, hint?: string): Pth2tfjsError {
  const text = `PyTorch cannot read ${what}`;
  return new Pth2tfjsError('unsupported', text, hint === undefined ? {} : { hint });
}
