import { stateDictEntries } from './keys.js';
import { type Module, namedModules } from './module.js';
import type { Network } from './network.js';
import { auxiliaryHeads } from './summary.js';
import { trace } from './trace.js';

/** What a network expects of a state dict. */

/** A shape, of which the state dict may choose the number of classes. */
export type Dimensions = readonly (number | 'classes')[];

/** An expected key; optional ones may be absent, ignored ones are not used for inference. */
export interface Expected {
  readonly shape: Dimensions;
  readonly optional: boolean;
  readonly ignored: boolean;
}

/** A network's parts, by the paths of their modules. */
export interface Anatomy {
  /** The linear layer that gives the logits, and how many features it takes. */
  readonly classifier: string;
  readonly features: number;
  /** What only training uses, and the linear layer of each that gives its logits. */
  readonly auxiliary: readonly string[];
  readonly auxiliaryClassifiers: readonly string[];
  /** Its own modules: the first parts of its keys. */
  readonly modules: ReadonlySet<string>;
}

const anatomies = new WeakMap<object, Anatomy>();

/** A network's parts, which are the same whenever they are asked for. */
export function anatomyOf(network: Network): Anatomy {
  const anatomy = anatomies.get(network) ?? readAnatomy(network);
  anatomies.set(network, anatomy);
  return anatomy;
}

/** Reads a network's parts off its graph, auxiliary heads included. */
function readAnatomy({ build, imageSizes }: Network): Anatomy {
  const root = build({ numClasses: 1, auxClasses: [1, 1] });
  const graph = trace(root, [3, imageSizes.standard, imageSizes.standard]);
  const linear = graph.outputs.flatMap(({ op }) => (op.type === 'linear' ? [op] : []));
  const auxiliary = auxiliaryHeads(root, graph);
  const of = (head: string) => linear.find(({ module }) => module.startsWith(`${head}.`));
  return {
    classifier: linear[0]?.module ?? '',
    features: linear[0]?.inFeatures ?? 0,
    auxiliary,
    auxiliaryClassifiers: auxiliary.map((head) => of(head)?.module ?? ''),
    modules: withTensors(root),
  };
}

function withTensors(root: Module): ReadonlySet<string> {
  const paths = [...namedModules(root)].filter(([, { tensors }]) => tensors.length > 0);
  return new Set(paths.map(([path]) => path.split('.')[0] as string));
}

/** Every key of the state dict with its shape, in PyTorch's order. */
export function expectedKeys(root: Module, anatomy: Anatomy): Map<string, Expected> {
  const { classifier, auxiliary, auxiliaryClassifiers } = anatomy;
  const free = [classifier, ...auxiliaryClassifiers].map((module) => `${module}.`);
  const isIn = (key: string, heads: readonly string[]) =>
    heads.some((head) => key.startsWith(head));
  const heads = auxiliary.map((head) => `${head}.`);
  const entries = [...stateDictEntries(root)].map(([key, { shape, counter }]) => {
    const [, ...rest] = shape;
    return [
      key,
      {
        shape: isIn(key, free) ? (['classes', ...rest] as const) : shape,
        optional: counter,
        ignored: counter || isIn(key, heads),
      },
    ] as const;
  });
  return new Map(entries);
}
