import { Pth2tfjsError } from '../../base/errors.js';
import { asModule, attributesOf } from '../state-dict/pickled-module.js';
import { TensorView } from '../tensor/tensor.js';
import { CallableGlobal, OpaqueGlobal, OpaqueObject, opaqueName } from './inert.js';

/** Walks over a saved value by dotted paths. */

/** Bounds on walking a saved value, whose shared parts could multiply without end. */
const MAX_DEPTH = 64;
const MAX_PATH_LENGTH = 4096;
/** One a container or tensor, and one for every hundred items; real checkpoints need thousands. */
const MAX_WORK = 200_000;

/** `path` is undefined for the saved value itself; an empty key is a path of its own. */
export type Visit = (value: unknown, path: string | undefined) => void;

/**
 * Calls `visit` for every container, tensor and opaque object in a saved value, parents first. What lies
 * in a pickled module is its own state dict's business, and is not visited.
 * @throws Pth2tfjsError `limit` when the value is nested too deep or is too large to walk.
 */
export function walk(root: unknown, visit: Visit): void {
  let work = MAX_WORK;
  const ancestors = new Set<unknown>();
  const step: Visit = (value, path) => {
    work -= 1 + sizeOf(value) / 100 + (path?.length ?? 0) / 1000;
    if (work < 0) throw new Pth2tfjsError('limit', 'the checkpoint holds too many values');
    visit(value, path);
    if (!isContainer(value) || asModule(value) !== undefined) return;
    if (ancestors.size >= MAX_DEPTH) {
      throw new Pth2tfjsError('limit', `the checkpoint is nested more than ${MAX_DEPTH} deep`);
    }
    ancestors.add(value);
    for (const [key, child] of childrenOf(value)) {
      const follow = child instanceof TensorView || (isContainer(child) && !ancestors.has(child));
      if (follow) step(child, joinPath(path, key));
    }
    ancestors.delete(value);
  };
  step(root, undefined);
}

type Container = ReadonlyMap<unknown, unknown> | readonly unknown[] | OpaqueObject;

function isContainer(value: unknown): value is Container {
  return value instanceof Map || Array.isArray(value) || value instanceof OpaqueObject;
}

function sizeOf(value: unknown): number {
  if (value instanceof Map) return value.size;
  if (Array.isArray(value)) return value.length;
  return value instanceof OpaqueObject ? value.args.length + value.items.length : 0;
}

/** What a container holds; of an object first its attributes, then what it was made of and filled with. */
function* childrenOf(value: Container): Iterable<[key: unknown, child: unknown]> {
  if (value instanceof OpaqueObject) {
    const attributes = attributesOf(value);
    if (attributes !== undefined) yield* attributes;
    yield* value.entries;
    yield* value.items.entries();
    const named = opaqueName(value) !== value.global;
    for (const [i, arg] of value.args.entries()) {
      const name = named && i === 0 && arg instanceof OpaqueGlobal;
      if (arg !== attributes && !name) yield [i, arg];
    }
    if (Array.isArray(value.state)) yield* value.state.entries();
  } else {
    yield* value.entries();
  }
}

/**
 * Every opaque class, function and object that can be reached, with its path, each once; not what modules
 * are made of.
 */
export function* reachableOpaque(
  root: unknown,
): Generator<[value: OpaqueObject | OpaqueGlobal, path: string | undefined]> {
  const seen = new Set<unknown>();
  const stack: [value: unknown, path: string | undefined][] = [[root, undefined]];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const [value, path] = top;
    if (seen.has(value)) continue;
    if (value instanceof OpaqueGlobal) yield [value, path];
    if (!isContainer(value) && !(value instanceof Set)) continue;
    seen.add(value);
    if (value instanceof OpaqueObject) yield [value, path];
    const children = value instanceof Set ? [...value].entries() : childrenOf(value);
    const next = [...children].map(([key, child]): [unknown, string | undefined] => [
      child,
      joinPath(path, key),
    ]);
    for (const [key] of value instanceof Map ? value : []) next.push([key, path]);
    stack.push(...next.reverse());
  }
}

export function joinPath(path: string | undefined, key: unknown): string {
  const joined = path === undefined ? keyText(key) : `${path}.${keyText(key)}`;
  if (joined.length <= MAX_PATH_LENGTH) return joined;
  throw new Pth2tfjsError(
    'limit',
    `a key in the checkpoint is longer than ${MAX_PATH_LENGTH} characters`,
  );
}

/** A dict's key, roughly as Python shows it where it is not plain text; short, whatever it holds. */
export function keyText(key: unknown): string {
  if (!Array.isArray(key))
    return typeof key === 'object' && key !== null ? '<object>' : String(key);
  const items = key.slice(0, 8).map((item) => (Array.isArray(item) ? '(…)' : keyText(item)));
  return `(${[...items, ...(key.length > 8 ? ['…'] : [])].join(', ')})`;
}

/** Follows a dotted path; a key that itself holds dots is tried whole first. */
export function resolvePath(value: unknown, path: string): unknown {
  if (!isContainer(value)) return undefined;
  const whole = childAt(value, path);
  if (whole !== undefined) return whole;
  for (let dot = path.lastIndexOf('.'); dot > 0; dot = path.lastIndexOf('.', dot - 1)) {
    const found = resolvePath(childAt(value, path.slice(0, dot)), path.slice(dot + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

function childAt(value: Container, key: string): unknown {
  if (value instanceof Map) return value.get(key) ?? value.get(Number(key));
  if (Array.isArray(value)) return value[Number(key)];
  const object = value as OpaqueObject;
  const child = attributesOf(object)?.get(key) ?? asModule(object)?.modules.get(key);
  return child ?? object.entries.get(key);
}

/** What a value is, in words, for one that is no tensor where a tensor belongs. */
export function describeValue(value: unknown): string {
  if (value === null) return 'None';
  if (value instanceof OpaqueObject) return value.unreadable?.what ?? `a ${describeOpaque(value)}`;
  if (value instanceof OpaqueGlobal) return `the class ${value.global}`;
  if (value instanceof CallableGlobal) return `the class ${value.global}`;
  if (value instanceof Map) return 'a dict';
  if (value instanceof Set) return 'a set';
  if (value instanceof Uint8Array) return 'bytes';
  if (Array.isArray(value)) return 'a list';
  const types = { string: 'a text', number: 'a number', boolean: 'a bool', bigint: 'a number' };
  return types[typeof value as keyof typeof types] ?? 'an object';
}

const NUMPY_MAKERS = /^numpy\.(core|_core)\.(multiarray\._reconstruct|numeric\._frombuffer)$/;

function describeOpaque(value: OpaqueObject): string {
  return NUMPY_MAKERS.test(value.global) ? 'NumPy array' : opaqueName(value);
}
