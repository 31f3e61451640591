import { Pth2tfjsError } from '../base/errors.js';
import { SAVE_AGAIN } from '../checkpoint/pickle/danger.js';
import type { StateDictCandidate } from '../checkpoint/state-dict/find-state-dict.js';
import type { StateDict, TensorView } from '../checkpoint/tensor/tensor.js';
import { cure, severalLayers } from './advice.js';
import { nameAlteration } from './alterations.js';
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
import {
  type Anatomy,
  anatomyOf,
  type Dimensions,
  type Expected,
  expectedKeys,
} from './expected.js';
import { list, MappingError, type Mismatch } from './mapping-error.js';
import type { Module } from './module.js';
import type { Network } from './network.js';
import { trace } from './trace.js';

/** How a state dict fits a network. */
export interface Fit {
  readonly numClasses: number;
  /** Whether torchvision's auxiliary heads are in the state dict. */
  readonly auxLogits: boolean;
  /** Number of classes of each; undefined where there are none. */
  readonly auxClasses: readonly [number, number] | undefined;
  /** Why the auxiliary heads that are there are not torchvision's, and can only be ignored. */
  readonly auxProblem: string | undefined;
  /** Keys that inference has no use for, and those beside the network, in the order of the file. */
  readonly ignored: readonly string[];
  /** What was set aside, one sentence each. */
  readonly notes: readonly string[];
  /** What may make other logits than these of the whole, one sentence each. */
  readonly warnings: readonly string[];
}

/** The keys that every state dict of a network has, whichever its variant and its auxiliary heads. */
export function networkKeys(network: Network): ReadonlySet<string> {
  const expected = expectedKeys(network.build({}), anatomyOf(network));
  return new Set([...expected].filter(([, { optional }]) => !optional).map(([key]) => key));
}

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

/** Tells what another network's state dict is, if it is one that is known. */
export type NameNetwork = (tensors: StateDict) => string | undefined;

/**
 * Fits a state dict to a network, strictly both ways: every key is used or named as ignored, and
 * every weight is there in its shape. The auxiliary heads may be absent, and may have another number
 * of classes than the classifier, as after a fine-tuning that replaced it alone; other heads are ignored.
 *
 * @param origin where the dict was found, and what else was in it
 * @throws MappingError with the three lists, or Pth2tfjsError `mapping`; nothing has been read from the
 *   tensors by then.
 */
export function fitStateDict<Variant extends object>(
  network: Network<Variant>,
  nameNetwork: NameNetwork,
  stateDict: StateDict,
  origin: Origin = {},
): Fit & Variant {
  refuseCollisions(origin);
  return new Fitting(network, nameNetwork, stateDict, origin).fit();
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

class Fitting<Variant extends object> {
  private readonly anatomy: Anatomy;
  private readonly variant: Variant;
  /** The network with auxiliary heads. */
  private readonly root: Module;
  private readonly all: ReadonlyMap<string, Expected>;

  constructor(
    private readonly network: Network<Variant>,
    private readonly nameNetwork: NameNetwork,
    private readonly stateDict: StateDict,
    private readonly origin: Origin,
  ) {
    this.anatomy = anatomyOf(network);
    this.variant = network.variant((key) => stateDict.get(key)?.shape);
    this.root = network.build({ auxClasses: [1, 1], ...this.variant });
    this.all = expectedKeys(this.root, this.anatomy);
  }

  fit(): Fit & Variant {
    const { stateDict, origin, anatomy, variant } = this;
    const auxProblem = this.auxProblem();
    const auxLogits =
      auxProblem === undefined && [...stateDict.keys()].some((key) => this.isAux(key));
    const expected = new Map([...this.all].filter(([key]) => auxLogits || !this.isAux(key)));
    const { fullName = '.', chosen = false, outside = [], otherKeys = [] } = origin;
    const extra = [...stateDict].filter(
      ([key]) => !expected.has(key) && !this.isAux(key) && !isCounter(key) && !isExtraState(key),
    );
    const numClasses = this.classesOf(anatomy.classifier);
    const { features } = anatomy;
    const around = [...outside].filter(([key]) => !isExtraState(key));
    const beside = sortLeftovers([...extra, ...around], { numClasses, features });
    this.checkFit(expected, this.unexpected(extra, beside, chosen));
    const ignored = [...otherKeys.filter((key) => !isExtraState(key)), ...beside.ignored];
    const judged = judgeBeside({ ...beside, ignored }, { fullName, chosen });
    if (origin.module !== undefined) checkModule(origin.module, this.root, anatomy.auxiliary);
    const [first = 0, second = 0] = anatomy.auxiliaryClassifiers.map((path) =>
      this.classesOf(path),
    );
    return {
      ...variant,
      numClasses,
      auxLogits,
      auxProblem,
      auxClasses: auxLogits ? [first, second] : undefined,
      ignored: (origin.order ?? [...stateDict.keys()]).filter(
        (key) => expected.get(key)?.ignored ?? !expected.has(key),
      ),
      notes: [...asideNotes(origin, auxProblem), ...judged.notes],
      warnings: [
        ...judged.warnings,
        ...extraStateWarning(extraState(stateDict, origin)),
        ...(origin.module === undefined ? [] : moduleWarnings(origin.module, this.network)),
      ],
    };
  }

  private isAux(key: string): boolean {
    return this.anatomy.auxiliary.some((name) => key.startsWith(`${name}.`));
  }

  private classesOf(layer: string): number {
    return this.stateDict.get(`${layer}.bias`)?.shape[0] as number;
  }

  /** Missing, unexpected and mismatched keys, as far as inference needs them. */
  private checkFit(expected: ReadonlyMap<string, Expected>, unexpected: readonly string[]): void {
    const { stateDict, origin, network, anatomy } = this;
    const others = origin.others ?? new Map<string, string>();
    const misplaced = [...others].filter(([key]) => expected.has(key) && !this.isAux(key));
    const replaced = new Set(misplaced.map(([key]) => key));
    const missing = [...expected].flatMap(([key, { optional }]) =>
      optional || stateDict.has(key) || replaced.has(key) ? [] : [key],
    );
    const mismatched = findMismatches(stateDict, expected);
    if (missing.length + unexpected.length + mismatched.length + misplaced.length === 0) return;
    const foreign = missing.length > expected.size / 4 ? this.otherNetwork() : undefined;
    const altered = this.alteration(others.keys());
    throw new MappingError(missing, unexpected, mismatched, {
      network: network.name,
      stateDictName: origin.name,
      notTensors: misplaced.map(([key, what]) => `${key} is ${what}, not a tensor`),
      is: foreign ?? severalLayers(unexpected, anatomy.classifier, network.name) ?? altered,
      hint: this.advice({ foreign, altered, unexpected, misplaced: misplaced.length > 0 }),
    });
  }

  private advice({ foreign, altered, unexpected, misplaced }: Findings): string | undefined {
    const { classifier } = this.anatomy;
    if (foreign !== undefined) return `pass a checkpoint of torchvision.models.${this.network.id}`;
    if (altered !== undefined) return `save the float model as it was before that; ${SAVE_AGAIN}`;
    const { prefix = '' } = this.origin;
    return cure(unexpected, classifier, prefix) ?? (misplaced ? SAVE_AGAIN : undefined);
  }

  private otherNetwork(): string | undefined {
    const name = this.nameNetwork(new Map([...this.stateDict, ...(this.origin.outside ?? [])]));
    return name === undefined ? undefined : `not ${this.network.name}'s but ${name}'s`;
  }

  private alteration(others: Iterable<string>): string | undefined {
    const { standard } = this.network.imageSizes;
    const graph = trace(this.root, [3, standard, standard]);
    const how = nameAlteration(this.stateDict, others, graph);
    const { name } = this.network;
    return how === undefined ? undefined : `of a ${name} that is ${how}, which is not converted`;
  }

  /**
   * Keys that make it another network: in one of its modules, or of a further module of its own. A further
   * module that takes the network's features is a second head, which is told as such.
   */
  private unexpected(
    extra: readonly Leftover[],
    beside: Beside,
    chosen: boolean,
  ): readonly string[] {
    const further = new Set(beside.heads.length > 0 || chosen ? [] : keysOf(beside.doubtful));
    return keysOf(extra).filter((key) => {
      const [module = '', ...rest] = key.split('.');
      return this.anatomy.modules.has(module) || (rest.length > 0 && further.has(key));
    });
  }

  /** What keeps auxiliary heads from being torchvision's; undefined where they are, or are absent. */
  private auxProblem(): string | undefined {
    const { stateDict, all } = this;
    const found = new Map([...stateDict].filter(([key]) => this.isAux(key) && !isCounter(key)));
    if (found.size === 0) return undefined;
    const expected = new Map([...all].filter(([key]) => this.isAux(key)));
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
}

interface Findings {
  readonly foreign: string | undefined;
  readonly altered: string | undefined;
  readonly unexpected: readonly string[];
  readonly misplaced: boolean;
}

function keysOf(leftovers: readonly Leftover[]): string[] {
  return leftovers.map(([key]) => key);
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

/** Outside of a network that was named, it is another's. */
function extraState(stateDict: StateDict, origin: Origin): string[] {
  const { otherKeys = [], outside = new Map(), chosen = false } = origin;
  const keys = [...stateDict.keys(), ...otherKeys, ...(chosen ? [] : outside.keys())];
  return [...new Set(keys.filter(isExtraState))];
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
  shape: Dimensions,
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
