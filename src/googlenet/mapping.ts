import { SAVE_AGAIN } from '../checkpoint/danger.js';
import type { StateDictCandidate } from '../checkpoint/state-dict.js';
import type { StateDict, TensorView } from '../checkpoint/tensor.js';
import { Pth2tfjsError } from '../errors.js';
import { AUX_HEADS, type Branch3Kernel } from './architecture.js';
import {
  type Beside,
  extraStateWarning,
  isCounter,
  isExtraState,
  judgeBeside,
  type Leftover,
  sortLeftovers,
} from './beside.js';
import { checkModule, moduleWarnings } from './check-module.js';
import { type Expected, expectedKeys, type Shape } from './keys.js';
import { nameAlteration, nameOtherNetwork } from './other-networks.js';

/** How a state dict fits the network. */
export interface Match {
  readonly branch3Kernel: Branch3Kernel;
  readonly numClasses: number;
  /** Whether torchvision's auxiliary heads are in the state dict. */
  readonly auxLogits: boolean;
  /** Number of classes of aux1 and aux2; undefined where there are none. */
  readonly auxClasses: readonly [aux1: number, aux2: number] | undefined;
  /** Why the auxiliary heads that are there are not torchvision's, and can only be ignored. */
  readonly auxProblem: string | undefined;
  /** Keys that inference has no use for, and those beside the network, in the order of the file. */
  readonly ignored: readonly string[];
  /** What was set aside, one sentence each. */
  readonly notes: readonly string[];
  /** What may make other logits than these of the whole, one sentence each. */
  readonly warnings: readonly string[];
}

/** A tensor whose shape, or kind, is not the network's. */
export interface Mismatch {
  readonly key: string;
  readonly found: string;
  readonly expected: string;
}

/** What is known of a state dict that does not fit. */
interface Explanation {
  /** The state dict's name in the checkpoint; `.` at the top. */
  readonly stateDictName?: string | undefined;
  /** What stands where tensors belong, one sentence each. */
  readonly notTensors?: readonly string[];
  /** What it is, where that is known: such as `Inception v3's`, or `of a GoogLeNet that is quantized`. */
  readonly is?: string | undefined;
  readonly hint?: string | undefined;
}

/** The three lists that `load_state_dict` reports. */
export class MappingError extends Pth2tfjsError {
  constructor(
    readonly missing: readonly string[],
    readonly unexpected: readonly string[],
    readonly mismatched: readonly Mismatch[],
    { stateDictName = '.', notTensors = [], is, hint }: Explanation = {},
  ) {
    const shapes = mismatched.map(
      ({ key, found, expected }) => `${key} ${found} instead of ${expected}`,
    );
    const lists = [
      notTensors.slice(0, SHOWN).join(', '),
      list('missing', missing),
      list('unexpected', unexpected),
      list('mismatched', shapes),
    ];
    const which = stateDictName === '.' ? 'the state dict' : `the state dict '${stateDictName}'`;
    super(
      'mapping',
      `${which} ${is === undefined ? 'does not fit GoogLeNet' : `is ${is}`}: ${lists.filter(Boolean).join('; ')}`,
      hint === undefined ? {} : { hint },
    );
  }
}

/** What to do about keys that common PyTorch tools leave behind, of which the last part is `suffix`. */
const TOOLS: readonly (readonly [suffix: RegExp, mark: string, undo: string])[] = [
  [/\.parametrizations\.weight\.\w+$/, 'parametrizations', 'parametrize.remove_parametrizations'],
  [/\.weight_u$/, 'weight_orig', 'remove_spectral_norm'],
  [/\.weight_mask$/, 'weight_mask', 'prune.remove'],
  [/\.weight_g$/, 'weight_g', 'remove_weight_norm'],
];

/** @param prefix what stood before the keys, and does in Python */
function cure(unexpected: readonly string[], prefix: string): string | undefined {
  const tool = TOOLS.find(([suffix]) => unexpected.some((key) => suffix.test(key)));
  if (tool !== undefined) {
    const [, mark, undo] = tool;
    const name = undo.includes('.') ? ", 'weight'" : '';
    const import_ = undo.includes('.') ? `import torch.nn.utils.${undo.split('.')[0]}; ` : '';
    return `in Python, before saving: ${import_}[torch.nn.utils.${undo}(m${name}) for m in model.modules() if hasattr(m, '${mark}')]`;
  }
  const heads = unexpected.filter((key) => /^fc\..*\bweight$/.test(key));
  const [head] = heads;
  if (head === undefined || heads.length > 1) return undefined;
  const from = `${prefix}${head.slice(0, -'.weight'.length)}`;
  const move = (field: string) => `sd['${prefix}fc.${field}'] = sd.pop('${from}.${field}')`;
  return `if only dropout stands beside that layer, in Python, with the state dict sd, before saving: ${move('weight')}; ${move('bias')}`;
}

/** Several layers in place of `fc`, which would be lost if one of them were taken for it. */
function severalLayers(unexpected: readonly string[]): string | undefined {
  const weights = unexpected.filter((key) => /^fc\..*\b(weight|running_mean)$/.test(key));
  const names = new Set(weights.map((key) => key.slice(0, key.lastIndexOf('.'))));
  if (names.size < 2) return undefined;
  return `of a GoogLeNet with a head of several layers (${[...names].join(', ')}), which is not converted`;
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

/** The first parts of the network's keys: its own modules. */
const MODULES = new Set([...expectedKeys(3, true).keys()].map((key) => key.split('.')[0]));

/** Where a state dict was found, and what stood beside it; all of it may be left out. */
export type Origin = Partial<
  Pick<
    StateDictCandidate,
    | 'name'
    | 'fullName'
    | 'prefix'
    | 'chosen'
    | 'otherKeys'
    | 'others'
    | 'outside'
    | 'order'
    | 'collisions'
    | 'rivals'
    | 'module'
  >
>;

/**
 * Fits a state dict to the network, strictly both ways: every key is used or named as ignored, and
 * every weight is there in its shape. The auxiliary heads may be absent, and may have another number
 * of classes than `fc`, as after a fine-tuning that replaced `fc` alone; other heads are ignored.
 *
 * @param origin where the dict was found, and what else was in it
 * @throws MappingError with the three lists, or Pth2tfjsError `mapping`; nothing has been read from the
 *   tensors by then.
 */
export function matchStateDict(stateDict: StateDict, origin: Origin = {}): Match {
  refuseCollisions(origin);
  const branch3Kernel = detectBranch3Kernel(stateDict);
  const auxProblem = findAuxProblem(stateDict, branch3Kernel);
  const auxLogits = auxProblem === undefined && [...stateDict.keys()].some(isAux);
  const expected = expectedKeys(branch3Kernel, auxLogits);
  const { fullName = '.', chosen = false, outside = [], otherKeys = [] } = origin;
  const extra = [...stateDict].filter(
    ([key]) => !expected.has(key) && !isAux(key) && !isCounter(key) && !isExtraState(key),
  );
  const numClasses = classesOf(stateDict, 'fc');
  const around = [...outside].filter(([key]) => !isExtraState(key));
  const beside = sortLeftovers([...extra, ...around], numClasses);
  checkFit(stateDict, expected, findUnexpected(extra, beside, chosen), origin);
  const ignored = [...otherKeys.filter((key) => !isExtraState(key)), ...beside.ignored];
  const judged = judgeBeside({ ...beside, ignored }, { fullName, chosen });
  if (origin.module !== undefined) checkModule(origin.module, branch3Kernel);
  return {
    branch3Kernel,
    numClasses,
    auxLogits,
    auxProblem,
    auxClasses: auxLogits
      ? [classesOf(stateDict, 'aux1.fc2'), classesOf(stateDict, 'aux2.fc2')]
      : undefined,
    ignored: (origin.order ?? [...stateDict.keys()]).filter(
      (key) => expected.get(key)?.ignored ?? !expected.has(key),
    ),
    notes: [...asideNotes(origin, auxProblem), ...judged.notes],
    warnings: [
      ...judged.warnings,
      ...extraStateWarning(extraState(stateDict, origin)),
      ...(origin.module === undefined ? [] : moduleWarnings(origin.module)),
    ],
  };
}

/** Outside of a network that was named, it is another's. */
function extraState(stateDict: StateDict, origin: Origin): string[] {
  const { otherKeys = [], outside = new Map(), chosen = false } = origin;
  const keys = [...stateDict.keys(), ...otherKeys, ...(chosen ? [] : outside.keys())];
  return [...new Set(keys.filter(isExtraState))];
}

function isAux(key: string): boolean {
  return AUX_HEADS.some(({ name }) => key.startsWith(`${name}.`));
}

function classesOf(stateDict: StateDict, layer: string): number {
  return stateDict.get(`${layer}.bias`)?.shape[0] as number;
}

/** Two keys that became one would leave it to chance which tensor is used. */
function refuseCollisions({ collisions = [] }: Origin): void {
  const [first] = collisions;
  if (first === undefined) return;
  const more = collisions.length > 1 ? `, and ${collisions.length - 1} more such pairs` : '';
  throw new Pth2tfjsError(
    'mapping',
    `the keys '${first[0]}' and '${first[1]}' name the same tensor of the network once wrappers are taken off${more}`,
    {
      hint: `drop one of each pair, in Python, from the state dict sd, before saving: sd.pop('${first[1]}')`,
    },
  );
}

/** Missing, unexpected and mismatched keys, as far as inference needs them. */
function checkFit(
  stateDict: StateDict,
  expected: ReadonlyMap<string, Expected>,
  unexpected: readonly string[],
  origin: Origin,
): void {
  const others = origin.others ?? new Map<string, string>();
  const misplaced = [...others].filter(([key]) => expected.has(key) && !isAux(key));
  const replaced = new Set(misplaced.map(([key]) => key));
  const missing = [...expected].flatMap(([key, { optional }]) =>
    optional || stateDict.has(key) || replaced.has(key) ? [] : [key],
  );
  const mismatched = findMismatches(stateDict, expected);
  if (missing.length + unexpected.length + mismatched.length + misplaced.length === 0) return;
  const all = new Map([...stateDict, ...(origin.outside ?? [])]);
  const foreign = missing.length > expected.size / 4 ? otherNetwork(all) : undefined;
  const altered = alteration(stateDict, others.keys());
  throw new MappingError(missing, unexpected, mismatched, {
    stateDictName: origin.name,
    notTensors: misplaced.map(([key, what]) => `${key} is ${what}, not a tensor`),
    is: foreign ?? severalLayers(unexpected) ?? altered,
    hint: adviceFor({ foreign, altered, unexpected, misplaced: misplaced.length > 0 }, origin),
  });
}

interface Findings {
  readonly foreign: string | undefined;
  readonly altered: string | undefined;
  readonly unexpected: readonly string[];
  readonly misplaced: boolean;
}

function adviceFor(findings: Findings, { prefix = '' }: Origin): string | undefined {
  const { foreign, altered, unexpected, misplaced } = findings;
  if (foreign !== undefined) return 'pass a checkpoint of torchvision.models.googlenet';
  if (altered !== undefined) return `save the float model as it was before that; ${SAVE_AGAIN}`;
  return cure(unexpected, prefix) ?? (misplaced ? SAVE_AGAIN : undefined);
}

function otherNetwork(tensors: StateDict): string | undefined {
  const name = nameOtherNetwork(tensors);
  return name === undefined ? undefined : `not GoogLeNet's but ${name}'s`;
}

function alteration(stateDict: StateDict, others: Iterable<string>): string | undefined {
  const how = nameAlteration(stateDict, others);
  return how === undefined ? undefined : `of a GoogLeNet that is ${how}, which is not converted`;
}

/**
 * Keys that make it another network: in one of its modules, or of a further module of its own. A further
 * module that takes the network's features is a second head, which is told as such.
 */
function findUnexpected(
  extra: readonly Leftover[],
  beside: Beside,
  chosen: boolean,
): readonly string[] {
  const further = new Set(beside.heads.length > 0 || chosen ? [] : keysOf(beside.doubtful));
  return keysOf(extra).filter((key) => {
    const [module = '', ...rest] = key.split('.');
    return MODULES.has(module) || (rest.length > 0 && further.has(key));
  });
}

function keysOf(leftovers: readonly Leftover[]): string[] {
  return leftovers.map(([key]) => key);
}

/** What keeps auxiliary heads from being torchvision's; undefined where they are, or are absent. */
function findAuxProblem(stateDict: StateDict, branch3Kernel: Branch3Kernel): string | undefined {
  const found = new Map([...stateDict].filter(([key]) => isAux(key) && !isCounter(key)));
  if (found.size === 0) return undefined;
  const expected = new Map([...expectedKeys(branch3Kernel, true)].filter(([key]) => isAux(key)));
  const missing = [...expected].flatMap(([key, { optional }]) =>
    optional || found.has(key) ? [] : [key],
  );
  const unexpected = [...found.keys()].filter((key) => !expected.has(key));
  const shapes = findMismatches(found, expected).map(
    (one) => `${one.key} ${one.found} instead of ${one.expected}`,
  );
  const lists = [
    list('missing', missing),
    list('unexpected', unexpected),
    list('mismatched', shapes),
  ];
  return lists.filter(Boolean).join('; ') || undefined;
}

function asideNotes({ rivals = [] }: Origin, auxProblem: string | undefined): string[] {
  const names = rivals.map((name) => `'${name}'`).join(', ');
  return [
    ...(rivals.length > 0
      ? [`ignored, ${rivals.length > 1 ? 'other networks' : 'another network'}: ${names}`]
      : []),
    ...(auxProblem === undefined
      ? []
      : [
          `ignored, auxiliary heads that are not torchvision's, which inference does not use: ${auxProblem}`,
        ]),
  ];
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
