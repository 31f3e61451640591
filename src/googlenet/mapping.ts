import type { StateDictCandidate } from '../checkpoint/state-dict.js';
import type { StateDict, TensorView } from '../checkpoint/tensor.js';
import { Pth2tfjsError } from '../errors.js';
import type { Branch3Kernel } from './architecture.js';
import { type Expected, expectedKeys, type Shape } from './keys.js';

/** How a state dict fits the network. */
export interface Match {
  readonly branch3Kernel: Branch3Kernel;
  readonly numClasses: number;
  /** Whether the auxiliary heads are in the state dict. */
  readonly auxLogits: boolean;
  /** Number of classes of aux1 and aux2; undefined where there are none. */
  readonly auxClasses: readonly [aux1: number, aux2: number] | undefined;
  /** Keys that inference has no use for, in the order of the state dict. */
  readonly ignored: readonly string[];
}

/** A tensor whose shape, or kind, is not the network's. */
export interface Mismatch {
  readonly key: string;
  readonly found: string;
  readonly expected: string;
}

/** The three lists that `load_state_dict` reports. */
export class MappingError extends Pth2tfjsError {
  constructor(
    readonly missing: readonly string[],
    readonly unexpected: readonly string[],
    readonly mismatched: readonly Mismatch[],
    /** The state dict's name in the checkpoint; `.` at the top. */
    readonly stateDictName = '.',
  ) {
    const shapes = mismatched.map(
      ({ key, found, expected }) => `${key} ${found} instead of ${expected}`,
    );
    const lists = [
      list('missing', missing),
      list('unexpected', unexpected),
      list('mismatched', shapes),
    ];
    const which = stateDictName === '.' ? 'the state dict' : `the state dict '${stateDictName}'`;
    const hint = cure(unexpected);
    const text = lists.filter(Boolean).join('; ');
    super(
      'mapping',
      `${which} does not fit GoogLeNet: ${text}`,
      hint === undefined ? {} : { hint },
    );
  }
}

/** What to do about keys that common PyTorch tools leave behind. */
function cure(unexpected: readonly string[]): string | undefined {
  const some = (pattern: RegExp) => unexpected.find((key) => pattern.test(key));
  if (some(/_(orig|mask)$/)) {
    return "in Python, before saving: torch.nn.utils.prune.remove(module, 'weight') for each pruned module";
  }
  if (some(/weight_(g|v)$|parametrizations/)) {
    return 'in Python, before saving: torch.nn.utils.remove_weight_norm(module) for each module that has it';
  }
  const head = some(/^fc\..*\bweight$/)?.slice(0, -'.weight'.length);
  if (head !== undefined) {
    return `in Python, before saving: rename the head, sd['fc.weight'] = sd.pop('${head}.weight'), and its bias alike`;
  }
  return undefined;
}

const SHOWN = 5;

function list(name: string, items: readonly string[]): string {
  if (items.length === 0) return '';
  const rest = items.length > SHOWN ? `, and ${items.length - SHOWN} more` : '';
  return `${items.length} ${name} (${items.slice(0, SHOWN).join(', ')}${rest})`;
}

/** The keys that every state dict of the network has, whichever its branch3 and its heads. */
export const NETWORK_KEYS: ReadonlySet<string> = new Set(
  [...expectedKeys(3, false)].filter(([, { optional }]) => !optional).map(([key]) => key),
);

/** AveragedModel's step counter, which rides along with averaged weights. */
const HARMLESS = new Set(['n_averaged']);

/**
 * Fits a state dict to the network, strictly both ways: every key is used or named as ignored, and
 * every weight is there in its shape. The auxiliary heads may be absent, and may have another number
 * of classes than `fc`, as after a fine-tuning that replaced `fc` alone.
 *
 * @param origin where the dict was found, and its keys that hold no tensor
 * @throws MappingError with the three lists; nothing has been read from the tensors by then.
 */
export function matchStateDict(
  stateDict: StateDict,
  origin: Partial<Pick<StateDictCandidate, 'name' | 'otherKeys'>> = {},
): Match {
  const { name, otherKeys = [] } = origin;
  const branch3Kernel = detectBranch3Kernel(stateDict);
  const auxLogits = [...stateDict.keys()].some((key) => /^aux[12]\./.test(key));
  const expected = expectedKeys(branch3Kernel, auxLogits);
  const missing = [...expected].filter(([key, { optional }]) => !optional && !stateDict.has(key));
  const unexpected = [...stateDict.keys()].filter(
    (key) => !expected.has(key) && !HARMLESS.has(key),
  );
  const mismatched = findMismatches(stateDict, expected);
  if (missing.length + unexpected.length + mismatched.length + otherKeys.length > 0) {
    throw new MappingError(
      missing.map(([key]) => key),
      [...unexpected, ...otherKeys],
      mismatched,
      name,
    );
  }
  const ignored = [...stateDict.keys()].filter(
    (key) => expected.get(key)?.ignored ?? !expected.has(key),
  );
  const classesOf = (layer: string) => stateDict.get(`${layer}.bias`)?.shape[0] as number;
  const auxClasses = auxLogits
    ? ([classesOf('aux1.fc2'), classesOf('aux2.fc2')] as const)
    : undefined;
  return { branch3Kernel, numClasses: classesOf('fc'), auxLogits, auxClasses, ignored };
}

function detectBranch3Kernel(stateDict: StateDict): Branch3Kernel {
  return stateDict.get('inception3a.branch3.1.conv.weight')?.shape[2] === 5 ? 5 : 3;
}

function findMismatches(stateDict: StateDict, expected: ReadonlyMap<string, Expected>): Mismatch[] {
  const classes = new Map<string, number>();
  const mismatched: Mismatch[] = [];
  for (const [key, { shape }] of expected) {
    const tensor = stateDict.get(key);
    if (tensor === undefined) continue;
    const wanted = resolveClasses(key, shape, tensor, classes);
    const fits = !tensor.dtype.startsWith('complex') && String(wanted) === String(tensor.shape);
    if (!fits)
      mismatched.push({ key, found: describe(tensor), expected: `[${wanted.join(', ')}]` });
  }
  return mismatched;
}

/** A head's weight sets its number of classes (at least one); its bias must then agree. */
function resolveClasses(
  key: string,
  shape: Shape,
  tensor: TensorView,
  classes: Map<string, number>,
): (number | 'classes')[] {
  const head = key.slice(0, key.lastIndexOf('.'));
  const found = tensor.shape[0] ?? 0;
  if (shape[0] === 'classes' && !classes.has(head) && found > 0) classes.set(head, found);
  return shape.map((size) => (size === 'classes' ? (classes.get(head) ?? size) : size));
}

function describe({ dtype, shape }: TensorView): string {
  const text = `[${shape.join(', ')}]`;
  return dtype.startsWith('complex') ? `${dtype} ${text}` : text;
}
