import type { DType } from '../checkpoint/tensor/dtype.js';
import { numel } from '../numbers/shape.js';
import type { Traced } from './value.js';

/** A network as a tree of modules, as in torch.nn. */

/** A tensor that a module owns: an entry of the state dict. */
export interface OwnTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Whether training changes it: weights and biases, not running statistics. */
  readonly parameter: boolean;
  /** Younger than the oldest state dicts, and of no use to compute with. */
  readonly counter: boolean;
}

export interface Module {
  /** torch's class, as `print(model)` shows it. */
  readonly type: string;
  /** What `print(model)` shows in a leaf's parentheses. */
  readonly extra: string;
  /** The version of its part of a state dict, as `_metadata` notes it. */
  readonly version: number;
  /** Parameters, then buffers, in torch's order. */
  readonly tensors: readonly OwnTensor[];
  /** In the order in which PyTorch registers them. */
  readonly children: Children;
  /**
   * Settings that a pickled module of this kind has as attributes, and that change what it computes; null
   * where even its class does not matter.
   */
  readonly settings: Readonly<Record<string, unknown>> | null;
  /** What it makes of its input, by calling its children; a network may give several outputs. */
  readonly forward: (input: Traced, call: Call, path: string) => Traced | readonly Traced[];
}

export type Children = Readonly<Record<string, Module>>;

/** Runs a child. */
export type Call = (name: string, input: Traced) => Traced;

/** The children as functions of their input, as `forward` calls them in PyTorch. */
type Calls<C> = { readonly [name in keyof C]: (input: Traced) => Traced };

/**
 * A module of modules.
 * @param forward as in PyTorch; `m` holds the children
 */
export function module<const C extends object>(
  type: string,
  children: C & { readonly [name in keyof C]: Module | undefined },
  forward: (input: Traced, m: Calls<C>) => Traced | readonly Traced[],
): Module {
  const present = Object.entries<Module | undefined>(children).filter(
    (entry): entry is [string, Module] => entry[1] !== undefined,
  );
  return {
    type,
    extra: '',
    version: 1,
    tensors: [],
    children: Object.fromEntries(present),
    settings: null,
    forward: (input, call) => {
      const calls = present.map(([name]) => [name, (from: Traced) => call(name, from)]);
      return forward(input, Object.fromEntries(calls) as Calls<C>);
    },
  };
}

/** nn.Sequential: each module takes what the one before it gives. */
export function sequential(...modules: readonly Module[]): Module {
  const children = Object.fromEntries(modules.map((each, i) => [String(i), each]));
  return {
    ...module('Sequential', {}, (input) => input),
    children,
    forward: (input, call) => Object.keys(children).reduce((from, name) => call(name, from), input),
  };
}

/** Every module by its path, as `model.named_modules()` gives them; the network itself has `''`. */
export function* namedModules(root: Module, path = ''): Generator<[path: string, Module]> {
  yield [path, root];
  for (const [name, child] of Object.entries(root.children)) {
    yield* namedModules(child, join(path, name));
  }
}

/** Parameters of a module and of those in it, as PyTorch counts them. */
export function countParameters(root: Module): number {
  const own = root.tensors.filter(({ parameter }) => parameter);
  const counts = [
    ...own.map(({ shape }) => numel(shape)),
    ...Object.values(root.children).map(countParameters),
  ];
  return counts.reduce((sum, count) => sum + count, 0);
}

export function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}
