import { Pth2tfjsError } from '../errors.js';
import { type StateDict, TensorView } from './tensor.js';

/** Bounds on walking a saved value, whose shared parts could multiply without end. */
const MAX_DEPTH = 64;
const MAX_PATH_LENGTH = 4096;
/** One a container or tensor, and one for every hundred items; real checkpoints need thousands. */
const MAX_WORK = 200_000;

/** A dict in the checkpoint that holds tensors under string keys. */
export interface StateDictCandidate {
  /** Dotted path in the saved value; empty when the value itself is the dict. */
  readonly path: string;
  readonly stateDict: StateDict;
  /** Keys of the same dict whose values are no tensors. */
  readonly otherKeys: readonly string[];
}

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

/**
 * Every dict in a saved value that could be a state dict; the same dict under two names counts once.
 * @throws Pth2tfjsError `limit` as {@link listTensors} does.
 */
export function findStateDicts(value: unknown): StateDictCandidate[] {
  const seen = new Set<unknown>();
  const candidates: StateDictCandidate[] = [];
  walk(value, (found, path) => {
    if (!(found instanceof Map) || seen.has(found)) return;
    seen.add(found);
    const candidate = asStateDict(found, path ?? '');
    if (candidate !== undefined) candidates.push(candidate);
  });
  return candidates;
}

function asStateDict(
  dict: ReadonlyMap<unknown, unknown>,
  path: string,
): StateDictCandidate | undefined {
  const tensors = new Map<string, TensorView>();
  const otherKeys: string[] = [];
  for (const [key, value] of dict) {
    if (typeof key === 'string' && value instanceof TensorView) tensors.set(key, value);
    else otherKeys.push(keyText(key));
  }
  return tensors.size === 0 ? undefined : { path, stateDict: tensors, otherKeys };
}

export interface SelectOptions {
  /** Dotted path of the wanted state dict; without it the one that fits is found. */
  readonly key?: string | undefined;
  /** How well a state dict's keys fit the network: 0 not at all, 1 all of its keys are there. */
  readonly fit: (keys: ReadonlySet<string>) => number;
}

/** Above this fit, a dict is taken for a checkpoint of the network, perhaps a damaged one. */
const GOOD_FIT = 0.5;

/**
 * Picks the state dict of a network out of a saved value.
 * @throws Pth2tfjsError `no-state-dict`, or `ambiguous-state-dict` listing the candidates.
 */
export function selectStateDict(value: unknown, options: SelectOptions): StateDictCandidate {
  const candidates = findStateDicts(value);
  if (options.key !== undefined) return pick(value, options.key, candidates);
  const scored = candidates.map((candidate) => ({
    candidate,
    fit: options.fit(new Set(stripPrefixes(candidate).stateDict.keys())),
  }));
  const good = scored.filter(({ fit }) => fit >= GOOD_FIT);
  if (good.length > 1) throw ambiguous(good.map(({ candidate }) => candidate));
  const [best] = scored.sort(
    (a, b) => b.fit - a.fit || b.candidate.stateDict.size - a.candidate.stateDict.size,
  );
  if (best === undefined) {
    throw new Pth2tfjsError('no-state-dict', 'the checkpoint holds no dict of tensors', {
      hint: 'in Python: torch.save(model.state_dict(), "out.pth")',
    });
  }
  return best.candidate;
}

function pick(
  value: unknown,
  key: string,
  candidates: readonly StateDictCandidate[],
): StateDictCandidate {
  const found = resolvePath(value, key);
  const candidate = found instanceof Map ? asStateDict(found, key) : undefined;
  if (candidate === undefined) {
    const names = candidates.map(({ path }) => `'${path}'`).join(', ') || 'none';
    throw new Pth2tfjsError(
      'no-state-dict',
      `there is no state dict under '${key}'; there are: ${names}`,
    );
  }
  return candidate;
}

/** Follows a dotted path; a key that itself holds dots is tried whole first. */
function resolvePath(value: unknown, path: string): unknown {
  if (path === '') return value;
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

function ambiguous(candidates: readonly StateDictCandidate[]): Pth2tfjsError {
  const names = candidates.map(({ path, stateDict }) => `'${path}' (${stateDict.size} tensors)`);
  return new Pth2tfjsError('ambiguous-state-dict', `several state dicts fit: ${names.join(', ')}`, {
    hint: `choose one with --key ${candidates[0]?.path}`,
  });
}

/**
 * What wrappers put before every key: DataParallel and DistributedDataParallel (`module.`),
 * torch.compile (`_orig_mod.`), and training frameworks that hold the network as an attribute.
 */
const PREFIXES = ['module.', '_orig_mod.', 'model.', 'net.'];

/** AveragedModel's step counter stands beside `module.` keys (torch/optim/swa_utils.py). */
const UNPREFIXED = new Set(['n_averaged']);

/** Takes off the prefixes that all keys share; returns them joined, outermost first. */
export function stripPrefixes({ stateDict }: Pick<StateDictCandidate, 'stateDict'>): {
  stateDict: StateDict;
  prefix: string;
} {
  const keys = [...stateDict.keys()].filter((key) => !UNPREFIXED.has(key));
  let prefix = '';
  for (;;) {
    const next = PREFIXES.find(
      (p) => keys.length > 0 && keys.every((key) => key.startsWith(prefix + p)),
    );
    if (next === undefined) break;
    prefix += next;
  }
  const strip = (key: string) => (key.startsWith(prefix) ? key.slice(prefix.length) : key);
  return {
    stateDict: new Map([...stateDict].map(([key, tensor]) => [strip(key), tensor])),
    prefix,
  };
}
