import { Pth2tfjsError } from '../../base/errors.js';
import { option } from '../../base/option.js';
import { SAVE_AGAIN } from '../pickle/danger.js';
import { describeValue, joinPath, keyText, resolvePath, walk } from '../pickle/walk.js';
import { type StateDict, TensorView } from '../tensor/tensor.js';
import {
  asModule,
  moduleAt,
  moduleStateDict,
  type OwnStateDict,
  type PickledModule,
} from './pickled-module.js';

/**
 * Every tensor in a saved value, by its dotted path; list indices are numbers, a bare tensor is `.`. A
 * pickled module gives those of its state dict.
 * @throws Pth2tfjsError `limit` when the value is nested too deep or is too large to walk.
 */
export function listTensors(value: unknown): Map<string, TensorView> {
  const tensors = new Map<string, TensorView>();
  walk(value, (found, path) => {
    if (found instanceof TensorView) tensors.set(path ?? '.', found);
    const module = asModule(found);
    if (module === undefined) return;
    for (const [key, entry] of moduleStateDict(module).entries) {
      if (entry instanceof TensorView) tensors.set(joinPath(path, key), entry);
    }
  });
  return tensors;
}

/** A dict, or a module's state dict, that holds tensors under text keys. */
interface TensorDict {
  /** Dotted path in the saved value; undefined for the value itself. */
  readonly path: string | undefined;
  readonly tensors: StateDict;
  /** The values of the same dict that are no tensors, in words, by their keys. */
  readonly others: ReadonlyMap<string, string>;
  readonly module?: PickledModule;
  readonly own: readonly OwnStateDict[];
}

/** The same dict under two names counts once. */
function findTensorDicts(value: unknown): TensorDict[] {
  const seen = new Set<unknown>();
  const found: TensorDict[] = [];
  walk(value, (visited, path) => {
    if (seen.has(visited)) return;
    const dict = asTensorDict(visited, path);
    if (dict === undefined) return;
    seen.add(visited);
    if (dict.tensors.size > 0 || dict.own.length > 0) found.push(dict);
  });
  return found;
}

function asTensorDict(value: unknown, path: string | undefined): TensorDict | undefined {
  const module = asModule(value);
  if (module !== undefined) {
    const { entries, own } = moduleStateDict(module);
    return { path, ...sortEntries(entries), module, own };
  }
  return value instanceof Map ? { path, ...sortEntries(value), own: [] } : undefined;
}

function sortEntries(
  entries: ReadonlyMap<unknown, unknown>,
): Pick<TensorDict, 'tensors' | 'others'> {
  const tensors = new Map<string, TensorView>();
  const others = new Map<string, string>();
  for (const [key, value] of entries) {
    if (typeof key === 'string' && value instanceof TensorView) tensors.set(key, value);
    else others.set(keyText(key), describeValue(value));
  }
  return { tensors, others };
}

/** A state dict in a checkpoint, as it would be handed to the network. */
export interface StateDictCandidate {
  /**
   * What `key` calls it: the dict's path, `.` for the saved value itself; and the prefix, where one
   * dict holds several networks.
   */
  readonly name: string;
  /** The name that always has the prefix: under it, what lies outside of the prefix does not matter. */
  readonly fullName: string;
  /** The dict's path, `.` for the saved value itself. */
  readonly path: string;
  /** What stood before the network's keys and has been taken off, such as `module.`. */
  readonly prefix: string;
  /** The tensors behind the prefix, by their keys without it. */
  readonly stateDict: StateDict;
  /** The tensors of the same dict that are not behind the prefix. */
  readonly outside: StateDict;
  /** The keys of both, in the order of the file. */
  readonly order: readonly string[];
  /** The values of the same dict that are no tensors, in words, by their keys. */
  readonly others: ReadonlyMap<string, string>;
  /** Their keys. */
  readonly otherKeys: readonly string[];
  /** Pairs of keys that became one when wrappers came off. */
  readonly collisions: readonly (readonly [string, string])[];
  /** Modules in it that make their own state dict, which is not to be had without their code. */
  readonly own: readonly OwnStateDict[];
  /** The share of the network's keys that are there. */
  readonly fit: number;
  /** Whether `key` named this very network, and not the dict that it is in. */
  readonly chosen: boolean;
  /** Other networks of the kind in the same checkpoint, by what `key` calls them. */
  readonly rivals: readonly string[];
  /** The network's own module, in a whole pickled module. */
  readonly module?: PickledModule;
}

/**
 * Finds the state dicts of a network in a saved value, best first. Wrappers put things before every
 * key: DataParallel `module.`, torch.compile `_orig_mod.`, training frameworks the attribute that
 * holds the network. What it is shows in the keys: behind the right prefix they are the network's.
 *
 * @param networkKeys keys that the network's own state dict has
 * @throws Pth2tfjsError `limit` when the value is nested too deep or is too large to walk.
 */
export function findStateDicts(
  value: unknown,
  networkKeys: ReadonlySet<string>,
): StateDictCandidate[] {
  return findTensorDicts(value)
    .flatMap((dict) => candidatesIn(dict, networkKeys))
    .sort((a, b) => b.fit - a.fit || b.stateDict.size - a.stateDict.size);
}

/** One candidate for each prefix behind which much of the network lies; at least one in all. */
function candidatesIn(dict: TensorDict, networkKeys: ReadonlySet<string>): StateDictCandidate[] {
  const votes = countPrefixes(dict.tensors.keys(), networkKeys);
  const ranked = [...votes].sort(([, a], [, b]) => b - a);
  const good = ranked.filter(([, count]) => count / networkKeys.size >= RECOGNISABLE_FIT);
  const [first] = ranked;
  const some = first !== undefined && first[1] / networkKeys.size >= NOTICEABLE_FIT;
  const chosen = good.length > 0 ? good : [some ? first : (['', 0] as const)];
  return chosen.map(([prefix, count]) => {
    const fit = count / networkKeys.size;
    return {
      ...behindPrefix(dict, prefix),
      ...nameOf(dict, prefix, chosen.length > 1),
      fit,
      rivals: [],
    };
  });
}

function nameOf(
  { path }: TensorDict,
  prefix: string,
  several: boolean,
): Pick<StateDictCandidate, 'name' | 'fullName' | 'path' | 'prefix' | 'chosen'> {
  const fullName = [path, prefix.slice(0, -1)].filter(Boolean).join('.') || '.';
  const own = path || '.';
  return { name: several ? fullName : own, fullName, path: own, prefix, chosen: false };
}

/**
 * Wrappers that stand anywhere in a key, since a part of a network can be wrapped alone: DataParallel,
 * torch.compile, FSDP, checkpointing of activations, Lightning Fabric.
 */
const WRAPPERS = new Set([
  'module',
  '_orig_mod',
  '_fsdp_wrapped_module',
  '_checkpoint_wrapped_module',
  '_forward_module',
  '_original_module',
]);

/** A key without the wrappers in it. */
function unwrap(key: string): string {
  if (!/module|_orig_mod/.test(key)) return key;
  return key
    .split('.')
    .filter((part) => !WRAPPERS.has(part))
    .join('.');
}

/** How many keys become the network's when a prefix comes off, and the wrappers behind it. */
function countPrefixes(
  keys: Iterable<string>,
  networkKeys: ReadonlySet<string>,
): Map<string, number> {
  const votes = new Map<string, number>();
  for (const key of keys) {
    for (let from = 0; ; ) {
      const dot = key.indexOf('.', from);
      const wrapped = WRAPPERS.has(key.slice(from, dot < 0 ? undefined : dot));
      if (!wrapped && networkKeys.has(unwrap(key.slice(from)))) {
        const prefix = key.slice(0, from);
        votes.set(prefix, (votes.get(prefix) ?? 0) + 1);
      }
      if (dot < 0) break;
      from = dot + 1;
    }
  }
  return votes;
}

/** What lies behind a prefix, wrappers off, and what does not. */
function behindPrefix(
  { tensors, others, module, own }: TensorDict,
  prefix: string,
): Omit<StateDictCandidate, 'name' | 'fullName' | 'path' | 'prefix' | 'chosen' | 'fit' | 'rivals'> {
  const stateDict = new Map<string, TensorView>();
  const outside = new Map<string, TensorView>();
  const origins = new Map<string, string>();
  const collisions: [string, string][] = [];
  const order: string[] = [];
  for (const [key, tensor] of tensors) {
    if (!key.startsWith(prefix)) {
      outside.set(key, tensor);
      order.push(key);
      continue;
    }
    const short = unwrap(key.slice(prefix.length));
    order.push(short);
    const other = origins.get(short);
    if (other !== undefined) collisions.push([other, key]);
    origins.set(short, key);
    stateDict.set(short, tensor);
  }
  for (const key of outside.keys()) {
    const other = origins.get(unwrap(key));
    if (other !== undefined && onlyWrappers(prefix)) collisions.push([other, key]);
  }
  const values = [...others].map(([key, what]): [string, string] => [
    key.startsWith(prefix) ? unwrap(key.slice(prefix.length)) : key,
    what,
  ]);
  const inner = module === undefined ? undefined : moduleAt(module, prefix);
  return {
    stateDict,
    outside,
    order,
    others: new Map(values),
    otherKeys: values.map(([key]) => key),
    collisions,
    own: own.filter(({ path }) => `${path}.`.startsWith(prefix)),
    ...(inner === undefined ? {} : { module: inner }),
  };
}

/** Whether a prefix is one that scripts take off without a thought. */
function onlyWrappers(prefix: string): boolean {
  return prefix.split('.').every((part) => part === '' || WRAPPERS.has(part));
}

/** Behind less, a prefix is chance: other networks have a `conv1`, too. */
const NOTICEABLE_FIT = 0.1;

/** Behind less of its keys, a dict of tensors is some other network's. */
export const RECOGNISABLE_FIT = 0.5;

export interface SelectOptions {
  /** Dotted path of the wanted state dict, `.` for the top; without it the one that fits is found. */
  readonly key?: string | undefined;
  /** Keys that the network's own state dict has. */
  readonly networkKeys: ReadonlySet<string>;
}

/**
 * Picks the state dict of a network out of a saved value.
 * @throws Pth2tfjsError `no-state-dict`, `ambiguous-state-dict` listing the candidates, or `unsupported`
 *   for modules that make their own state dict.
 */
export function selectStateDict(
  value: unknown,
  { key, networkKeys }: SelectOptions,
): StateDictCandidate {
  const candidates = findStateDicts(value, networkKeys);
  const found = key === undefined ? best(candidates) : pick(value, key, networkKeys, candidates);
  if (found.fit < RECOGNISABLE_FIT || found.own.length > 0) refuseOwn(found, candidates);
  const rivals = candidates.filter(
    ({ fit, fullName }) => fit >= RECOGNISABLE_FIT && fullName !== found.fullName,
  );
  return { ...found, rivals: rivals.map(({ fullName }) => fullName) };
}

function best(candidates: readonly StateDictCandidate[]): StateDictCandidate {
  const good = candidates.filter(({ fit }) => fit >= RECOGNISABLE_FIT);
  if (good.length > 1) {
    throw new Pth2tfjsError('ambiguous-state-dict', `several state dicts fit: ${names(good)}`, {
      hint: `choose one, such as ${option('key', good[0]?.name ?? '')}`,
    });
  }
  const [first] = candidates;
  if (first !== undefined) return first;
  throw new Pth2tfjsError('no-state-dict', 'the checkpoint holds no dict of tensors', {
    hint: SAVE_AGAIN,
  });
}

/** A network whose weights only its own code can unpack is said to be one, not to miss its weights. */
function refuseOwn(found: StateDictCandidate, candidates: readonly StateDictCandidate[]): void {
  const [first] = [found, ...candidates].flatMap(({ own }) => own);
  if (first === undefined) return;
  const where = first.path === '' ? 'the module' : `the module '${first.path}'`;
  throw new Pth2tfjsError(
    'unsupported',
    `${where} is a ${first.type}, which makes its own state dict in Python, from packed weights`,
    { hint: `pass the model as it was before it was quantized; ${SAVE_AGAIN}` },
  );
}

/** By a candidate's name, by any path to a dict of tensors, or by that and a prefix in the dict. */
function pick(
  value: unknown,
  key: string,
  networkKeys: ReadonlySet<string>,
  candidates: readonly StateDictCandidate[],
): StateDictCandidate {
  const named = candidates.find(({ name }) => name === key);
  if (named !== undefined) return { ...named, chosen: named.name === named.fullName };
  const full = candidates.find(({ fullName }) => fullName === key);
  if (full !== undefined) return { ...full, chosen: true };
  const found = key === '.' ? value : resolvePath(value, key);
  const dict = asTensorDict(found, key);
  const [first] =
    dict !== undefined && dict.tensors.size > 0 ? candidatesIn(dict, networkKeys) : [];
  if (first !== undefined) return { ...first, chosen: first.prefix === '' };
  throw new Pth2tfjsError(
    'no-state-dict',
    `there is no state dict under '${key}'; there are: ${names(candidates)}`,
  );
}

const SHOWN = 5;

function names(candidates: readonly StateDictCandidate[]): string {
  const shown = candidates.slice(0, SHOWN);
  const texts = shown.map(
    ({ name, stateDict: { size } }) => `'${name}' (${size === 1 ? '1 tensor' : `${size} tensors`})`,
  );
  const rest = candidates.length - shown.length;
  return [...texts, ...(rest > 0 ? [`and ${rest} more`] : [])].join(', ') || 'none';
}
