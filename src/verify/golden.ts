import { Pth2tfjsError } from '../base/errors.js';
import { counted } from '../base/plural.js';
import { readFlag } from '../checkpoint/container/read-safetensors.js';
import { OpaqueObject } from '../checkpoint/pickle/inert.js';
import {
  type Checkpoint,
  type ReadOptions,
  readCheckpoint,
} from '../checkpoint/read-checkpoint.js';
import { toFloat32 } from '../checkpoint/tensor/float32.js';
import { checkUnfolded, TensorView } from '../checkpoint/tensor/tensor.js';
import { NETWORK } from '../networks/index.js';
import { toNHWC } from '../numbers/layout.js';

/** Inputs, and the logits that PyTorch gave for them. */
export interface Golden {
  /** Normalised images, NCHW, row-major. */
  readonly input: Float32Array;
  /** `[images, 3, height, width]`. */
  readonly shape: readonly [images: number, channels: 3, height: number, width: number];
  /** `[images, numClasses]`, row-major. */
  readonly logits: Float32Array;
  readonly numClasses: number;
  /** What PyTorch's modules gave, by their names, in the order of the file; NCHW or `[images, features]`. */
  readonly activations: ReadonlyMap<string, Activation>;
  /** How the file came to be, where it says so. */
  readonly provenance: GoldenProvenance | null;
}

/** One module's output for all images, row-major. */
export interface Activation {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** What `capture.py` records beside the tensors; null for what is not there. */
export interface GoldenProvenance {
  readonly torch: string | null;
  readonly torchvision: string | null;
  /** The checkpoint's file name, and the SHA-256 of its bytes. */
  readonly checkpoint: string | null;
  readonly checkpointSha256: string | null;
  readonly transformInput: boolean | null;
  /** Whether the model was in training mode. */
  readonly training: boolean | null;
}

const HINT =
  'make one with golden/capture.py, or in Python: torch.save({"input": x, "logits": model.eval()(x)}, "golden.pth")';

const TRAINING_HINT =
  'put it in eval mode and save again, in Python: torch.save({"input": x, "logits": model.eval()(x)}, "golden.pth")';

function bad(message: string, hint = HINT): Pth2tfjsError {
  return new Pth2tfjsError('golden', `the golden file ${message}`, { hint });
}

/**
 * Reads a golden file: `torch.save({"input": x, "logits": y}, f)`, where `x` is the normalised batch
 * in NCHW and `y` what the model gave in eval mode; optionally with `"activations"`, the outputs of
 * modules by their names, and `"provenance"`, as `golden/capture.py` writes them. Any container, gzipped
 * or not; in safetensors, which is flat, a module's output is called `activations.<name>`, and the
 * metadata is the provenance, flags as `true` and `false`. Where a tensor's place is taken by what holds
 * it alone, such as a `ModelOutput` of Hugging Face, the tensor is taken.
 * @throws Pth2tfjsError `golden` when it holds something else, and as `readCheckpoint` does.
 */
export async function readGolden(bytes: Uint8Array, options: ReadOptions = {}): Promise<Golden> {
  return parseGolden(await readCheckpoint(bytes, options));
}

/** The same of a file that has been read. */
export function parseGolden(checkpoint: Checkpoint): Golden {
  const value = asDict(checkpoint);
  const input = tensorAt(value, 'input');
  const [images, channels, height, width] = input.shape;
  if (input.shape.length !== 4 || channels !== 3 || images === 0) {
    throw bad(`has an input of shape [${input.shape}]; it must be [images, 3, height, width]`);
  }
  if (height !== width) {
    throw bad(`has images of ${height}x${width}; the model takes square ones`);
  }
  const logits = tensorAt(value, 'logits', images);
  const [rows, numClasses] = logits.shape;
  if (logits.shape.length !== 2 || rows !== images || numClasses === 0) {
    throw bad(
      `has logits of shape [${logits.shape}] for ${counted(images as number, 'image')}; they must be [${images}, classes]`,
    );
  }
  checkUnfolded([input, logits, ...viewsIn(value.get('activations'))]);
  return {
    input: finite(toFloat32(input), 'input'),
    shape: [images as number, 3, height as number, width as number],
    logits: finite(toFloat32(logits), 'logits'),
    numClasses: numClasses as number,
    activations: readActivations(value, images as number),
    provenance: readProvenance(value.get('provenance')),
  };
}

/** The file as `torch.save` would have it. */
function asDict({ container, value, metadata }: Checkpoint): ReadonlyMap<unknown, unknown> {
  if (!(value instanceof Map)) throw isTrainingOutput(value) ? trainingMode('is') : noDict(value);
  if (container.format !== 'safetensors') return value;
  const tensors = [...(value as ReadonlyMap<string, TensorView>)];
  const nested = tensors.filter(([name]) => name.startsWith(ACTIVATIONS));
  return new Map<string, unknown>([
    ...tensors,
    ['activations', new Map(nested.map(([name, each]) => [name.slice(ACTIVATIONS.length), each]))],
    ['provenance', new Map([...metadata].map(([key, text]) => [key, readFlag(text) ?? text]))],
  ]);
}

const ACTIVATIONS = 'activations.';

function viewsIn(activations: unknown): TensorView[] {
  const values: unknown[] = activations instanceof Map ? [...activations.values()] : [];
  return values.filter((value) => value instanceof TensorView);
}

function readActivations(value: ReadonlyMap<unknown, unknown>, images: number) {
  const found = value.get('activations');
  const activations = new Map<string, Activation>();
  if (found === undefined || found === null) return activations;
  if (!(found instanceof Map)) throw bad("has 'activations' that are no dict of tensors");
  for (const [name, tensor] of found) {
    const key = `activations.${name}`;
    if (!(tensor instanceof TensorView)) throw bad(`has no tensor in '${key}'`);
    const { shape } = tensor;
    if (shape.length < 2 || shape[0] !== images) {
      throw bad(
        `has '${key}' of shape [${shape}]; its first dimension must be that of the input, ${images}`,
      );
    }
    activations.set(String(name), { shape, data: finite(toFloat32(tensor), key) });
  }
  return activations;
}

/** Takes what is there in the kind it should be of, since this part is only a note. */
function readProvenance(found: unknown): GoldenProvenance | null {
  if (!(found instanceof Map)) return null;
  const text = (key: string) => {
    const value: unknown = found.get(key);
    return typeof value === 'string' ? value : null;
  };
  const flag = (key: string) => {
    const value: unknown = found.get(key);
    return typeof value === 'boolean' ? value : null;
  };
  return {
    torch: text('torch'),
    torchvision: text('torchvision'),
    checkpoint: text('checkpoint'),
    checkpointSha256: text('checkpoint_sha256'),
    transformInput: flag('transform_input'),
    training: flag('training'),
  };
}

function noDict(value: unknown): Pth2tfjsError {
  if (value instanceof TensorView) return bad('is a tensor alone, not a dict of input and logits');
  if (Array.isArray(value)) return bad(`is a list of ${counted(value.length, 'item')}, not a dict`);
  return bad('is no dict');
}

function tensorAt(
  value: ReadonlyMap<unknown, unknown>,
  key: 'input' | 'logits',
  images?: number,
): TensorView {
  const found = value.get(key);
  if (found instanceof TensorView) return found;
  if (isTrainingOutput(found, images)) throw trainingMode(`has in '${key}'`);
  const [tensor, ...more] = heldTensors(found);
  if (tensor !== undefined && more.length === 0) return tensor;
  if (found !== undefined && found !== null)
    throw bad(`has ${describe(found)} in '${key}', not a tensor`);
  const keys = [...value.keys()].slice(0, 5).map(String).join(', ');
  throw bad(`has no tensor '${key}'; its keys are: ${keys || 'none'}`);
}

/**
 * Whether this is what the network returns in training mode alone: the logits and those of its auxiliary heads, as an object of a
 * class of its own, a tuple or a dict. Source: torchvision/models/googlenet.py.
 */
function isTrainingOutput(value: unknown, images?: number): boolean {
  if (value instanceof OpaqueObject) return value.global.endsWith(`${NETWORK.name}Outputs`);
  if (value instanceof Map) return [...value.keys()].some((key) => /^aux/.test(String(key)));
  // A list of single images' logits is no such thing.
  const isRows = (each: unknown) =>
    each instanceof TensorView &&
    each.shape.length === 2 &&
    each.shape[0] === (images ?? each.shape[0]);
  return Array.isArray(value) && value.length === 3 && value.every(isRows);
}

/** @param where such as `has in 'logits'` */
function trainingMode(where: string): Pth2tfjsError {
  return bad(
    `${where} what ${NETWORK.name} gives in training mode alone, logits and those of the auxiliary heads: the model was not put in eval mode`,
    TRAINING_HINT,
  );
}

/** The tensors that an object, a list or a dict holds itself. */
function heldTensors(value: unknown): TensorView[] {
  const items =
    value instanceof OpaqueObject ? [...value.args, ...itemsOf(value.state)] : itemsOf(value);
  return [...new Set(items.filter((item) => item instanceof TensorView))];
}

function itemsOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return value instanceof Map ? [...value.values()] : [];
}

function describe(value: unknown): string {
  const held = counted(heldTensors(value).length, 'tensor');
  if (value instanceof OpaqueObject) return `an object of the class ${value.global} with ${held}`;
  if (value instanceof Map) return `a dict with ${held}`;
  return Array.isArray(value) ? `a list with ${held}` : `a ${typeof value}`;
}

function finite(values: Float32Array, key: string): Float32Array {
  if (values.every(Number.isFinite)) return values;
  throw bad(`holds values in '${key}' that are infinite or no number`);
}

/** One image in the model's layout, NHWC `[height, width, 3]`. */
export function imageNHWC(
  { input, shape }: Pick<Golden, 'input' | 'shape'>,
  index: number,
): Float32Array {
  const [, , height, width] = shape;
  const size = 3 * height * width;
  return toNHWC(input.subarray(index * size, (index + 1) * size), [1, 3, height, width]);
}

/** All images in the model's layout, NHWC `[images, height, width, 3]`. */
export function batchNHWC({ input, shape }: Golden): Float32Array {
  return toNHWC(input, shape);
}
