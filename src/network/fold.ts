import type { Graph } from './trace.js';
import type { Op, Value } from './value.js';

/** Passes over the graph: what training needs and inference does not goes. */

/** Only what the logits come of: the first output and all before it. */
export function prune(graph: Graph): Graph {
  const [logits] = graph.outputs;
  const needed = new Set<Value>();
  const visit = (value: Value): void => {
    if (needed.has(value)) return;
    needed.add(value);
    value.from.forEach(visit);
  };
  if (logits !== undefined) visit(logits);
  const values = graph.values.filter((value) => needed.has(value));
  return { ...graph, values, outputs: graph.outputs.slice(0, 1) };
}

/**
 * The graph to infer with: dropout goes, and each BatchNorm and ReLU goes into the convolution before it,
 * where nothing else reads that convolution. A folded value has the path of the last that went into it.
 */
export function fold(graph: Graph): Graph {
  const readers = countReaders(graph);
  const folded = new Map<Value, Value>();
  const values = new Set<Value>();
  for (const value of graph.values) {
    const from = value.from.map((each) => folded.get(each) as Value);
    const [only] = from;
    const alone = only !== undefined && readers.get(value.from[0] as Value) === 1;
    const joined = alone ? joinOps(only.op, value.op) : undefined;
    if (joined !== undefined && only !== undefined) values.delete(only);
    const next: Value =
      value.op.type === 'dropout' && only !== undefined
        ? only
        : joined !== undefined && only !== undefined
          ? { ...value, op: joined, from: only.from }
          : { ...value, from };
    folded.set(value, next);
    values.add(next);
  }
  const now = (value: Value) => folded.get(value) as Value;
  return { input: now(graph.input), values: [...values], outputs: graph.outputs.map(now) };
}

/** Two operations as one, where that is possible. */
function joinOps(first: Op, second: Op): Op | undefined {
  if (first.type !== 'conv2d' || first.activation !== undefined) return undefined;
  if (second.type === 'relu') return { ...first, activation: 'relu' };
  const free = second.type === 'batchNorm2d' && first.batchNorm === undefined;
  return free ? { ...first, batchNorm: second } : undefined;
}

/** How many values read each; an output counts as read once more. */
function countReaders({ values, outputs }: Graph): Map<Value, number> {
  const readers = new Map<Value, number>();
  const read = (value: Value) => readers.set(value, (readers.get(value) ?? 0) + 1);
  for (const { from } of values) from.forEach(read);
  outputs.forEach(read);
  return readers;
}
