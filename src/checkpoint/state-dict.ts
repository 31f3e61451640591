import { Pth2tfjsError } from '../errors.js';
import { type StateDict, TensorView } from './tensor.js';

/** Bounds on walking a saved value, whose shared parts could multiply without end. */
const MAX_DEPTH = 64;
const MAX_PATH_LENGTH = 4096;
/** One a container or tensor, and one for every hundred items; real checkpoints need thousands. */
const MAX_WORK = 200_000;

/** `path` is undefined for the saved value itself; an empty key is a path of its own. */
type Visit = (value: unknown, path: string | undefined) => void;

/** Calls `visit` for every container and tensor in a saved value, parents first. */
function walk(root: unknown, visit: Visit): void {
  let work = MAX_WORK;
  const ancestors = new Set<unknown>();
  const isContainer = (value: unknown) => value instanceof Map || Array.isArray(value);
  const step: Visit = (value, path) => {
    const size = value instanceof Map ? value.size : Array.isArray(value) ? value.length : 0;
    work -= 1 + size / 100 + (path?.length ?? 0) / 1000;
    if (work < 0) throw new Pth2tfjsError('limit', 'the checkpoint holds too many values');
    visit(value, path);
    if (!(value instanceof Map || Array.isArray(value))) return;
    if (ancestors.size >= MAX_DEPTH) {
      throw new Pth2tfjsError('limit', `the checkpoint is nested more than ${MAX_DEPTH} deep`);
    }
    ancestors.add(value);
    for (const [key, child] of value.entries()) {
      const follow = child instanceof TensorView || (isContainer(child) && !ancestors.has(child));
      if (follow) step(child, joinPath(path, key));
    }
    ancestors.delete(value);
  };
  step(root, undefined);
}

function joinPath(path: string | undefined, key: unknown): string {
  const joined = path === undefined ? keyText(key) : `${path}.${keyText(key)}`;
  if (joined.length <= MAX_PATH_LENGTH) return joined;
  throw new Pth2tfjsError(
    'limit',
    `a key in the checkpoint is longer than ${MAX_PATH_LENGTH} characters`,
  );
}

/** A dict's key, roughly as Python shows it where it is not plain text; short, whatever it holds. */
function keyText(key: unknown): string {
  if (!Array.isArray(key))
    return typeof key === 'object' && key !== null ? '<object>' : String(key);
  const items = key.slice(0, 8).map((item) => (Array.isArray(item) ? '(…)' : keyText(item)));
  return `(${[...items, ...(key.length > 8 ? ['…'] : [])].join(', ')})`;
}

/**
 * Every tensor in a saved value, by its dotted path; list indices are numbers, a bare tensor is `.`.
 * @throws Pth2tfjsError `limit` when the value is nested too deep or is too large to walk.
 */
export function listTensors(value: unknown): Map<string, TensorView> {
  const tensors = new Map<string, TensorView>();
  walk(value, (found, path) => {
    if (found instanceof TensorView) tensors.set(path ?? '.', found);
  });
  return tensors;
}

/** A dict that holds tensors under text keys. */
interface TensorDict {
  /** Dotted path in the saved value; undefined for the value itself. */
  readonly path: string | undefined;
  readonly tensors: StateDict;
  /** Keys of the same dict whose values are no tensors. */
  readonly otherKeys: readonly string[];
}

/** The same dict under two names counts once. */
function findTensorDicts(value: unknown): TensorDict[] {
  const seen = new Set<unknown>();
  const found: TensorDict[] = [];
  walk(value, (visited, path) => {
    if (!(visited instanceof Map) || seen.has(visited)) return;
    seen.add(visited);
    const dict = asTensorDict(visited, path);
    if (dict.tensors.size > 0) found.push(dict);
  });
  return found;
}

function asTensorDict(dict: ReadonlyMap<unknown, unknown>, path: string | undefined): TensorDict {
  const tensors = new Map<string, TensorView>();
  const otherKeys: string[] = [];
  for (const [key, value] of dict) {
    if (typeof key === 'string' && value instanceof TensorView) tensors.set(key, value);
    else otherKeys.push(keyText(key));
  }
  return { path, tensors, otherKeys };
}

/** A state dict in a checkpoint, as it would be handed to the network. */
export interface StateDictCandidate {
  /**
   * What `key` calls it: the dict's path, `.` for the saved value itself; and the prefix, where one
   * dict holds several networks.
   */
  readonly name: string;
  /** What stood before the network's keys and has been taken off, such as `module.`. */
  readonly prefix: string;
  /** Keys without the prefix; those that did not carry it are as they were. */
  readonly stateDict: StateDict;
  /** Keys of the same dict that cannot be part of the state dict. */
  readonly otherKeys: readonly string[];
  /** The share of the network's keys that are there. */
  readonly fit: number;
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
  const chosen = good.length > 0 ? good : [ranked[0] ?? (['', 0] as const)];
  return chosen.map(([prefix, count]) => {
    const path = [dict.path, ...(chosen.length > 1 ? [prefix.slice(0, -1)] : [])].filter(Boolean);
    const name = path.join('.') || '.';
    return { name, prefix, ...stripPrefix(dict, prefix), fit: count / networkKeys.size };
  });
}

/** How many keys become the network's when a prefix comes off. */
function countPrefixes(
  keys: Iterable<string>,
  networkKeys: ReadonlySet<string>,
): Map<string, number> {
  const votes = new Map<string, number>();
  for (const key of keys) {
    for (let from = 0; ; ) {
      if (networkKeys.has(key.slice(from))) {
        const prefix = key.slice(0, from);
        votes.set(prefix, (votes.get(prefix) ?? 0) + 1);
      }
      const dot = key.indexOf('.', from);
      if (dot < 0) break;
      from = dot + 1;
    }
  }
  return votes;
}

/** Keys that lack the prefix stay as they are, unless they clash with one that loses it. */
function stripPrefix(
  { tensors, otherKeys }: TensorDict,
  prefix: string,
): Pick<StateDictCandidate, 'stateDict' | 'otherKeys'> {
  const stateDict = new Map<string, TensorView>();
  const clashing: string[] = [];
  for (const [key, tensor] of tensors) {
    const carries = key.startsWith(prefix);
    if (carries || !tensors.has(prefix + key)) {
      stateDict.set(carries ? key.slice(prefix.length) : key, tensor);
    } else {
      clashing.push(key);
    }
  }
  return { stateDict, otherKeys: [...otherKeys, ...clashing] };
}

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
 * @throws Pth2tfjsError `no-state-dict`, or `ambiguous-state-dict` listing the candidates.
 */
export function selectStateDict(
  value: unknown,
  { key, networkKeys }: SelectOptions,
): StateDictCandidate {
  const candidates = findStateDicts(value, networkKeys);
  if (key !== undefined) return pick(value, key, networkKeys, candidates);
  const good = candidates.filter(({ fit }) => fit >= RECOGNISABLE_FIT);
  if (good.length > 1) {
    throw new Pth2tfjsError('ambiguous-state-dict', `several state dicts fit: ${names(good)}`, {
      hint: `choose one, such as --key ${good[0]?.name}`,
    });
  }
  const [best] = candidates;
  if (best !== undefined) return best;
  throw new Pth2tfjsError('no-state-dict', 'the checkpoint holds no dict of tensors', {
    hint: "in Python: torch.save(model.state_dict(), 'out.pth')",
  });
}

/** By a candidate's name, or by any path to a dict of tensors. */
function pick(
  value: unknown,
  key: string,
  networkKeys: ReadonlySet<string>,
  candidates: readonly StateDictCandidate[],
): StateDictCandidate {
  const named = candidates.find(({ name }) => name === key);
  if (named !== undefined) return named;
  const found = key === '.' ? value : resolvePath(value, key);
  const dict = found instanceof Map ? asTensorDict(found, key) : undefined;
  const [best] = dict !== undefined && dict.tensors.size > 0 ? candidatesIn(dict, networkKeys) : [];
  if (best !== undefined) return best;
  throw new Pth2tfjsError(
    'no-state-dict',
    `there is no state dict under '${key}'; there are: ${names(candidates)}`,
  );
}

const SHOWN = 5;

function names(candidates: readonly StateDictCandidate[]): string {
  const shown = candidates.slice(0, SHOWN);
  const texts = shown.map(({ name, stateDict }) => `'${name}' (${stateDict.size} tensors)`);
  const rest = candidates.length - shown.length;
  return [...texts, ...(rest > 0 ? [`and ${rest} more`] : [])].join(', ') || 'none';
}

/** Follows a dotted path; a key that itself holds dots is tried whole first. */
function resolvePath(value: unknown, path: string): unknown {
  if (!(value instanceof Map || Array.isArray(value))) return undefined;
  const child = (key: string): unknown =>
    value instanceof Map ? (value.get(key) ?? value.get(Number(key))) : value[Number(key)];
  if (child(path) !== undefined) return child(path);
  for (let dot = path.lastIndexOf('.'); dot > 0; dot = path.lastIndexOf('.', dot - 1)) {
    const found = resolvePath(child(path.slice(0, dot)), path.slice(dot + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}
