import { outputShape } from './shapes.js';
import type { Graph } from './trace.js';
import type { Op, Value } from './value.js';

/** The graph with operations done otherwise; what comes after them meets other shapes. */
export function withOps(graph: Graph, edit: (value: Value) => Op): Graph {
  const edited = new Map<Value, Value>();
  for (const value of graph.values) {
    const from = value.from.map((each) => edited.get(each) as Value);
    const op = edit(value);
    const shapes = from.map(({ shape }) => shape);
    const shape = op.type === 'input' ? value.shape : outputShape(op, shapes);
    edited.set(value, { ...value, op, from, shape });
  }
  const now = (value: Value) => edited.get(value) as Value;
  return {
    input: now(graph.input),
    values: [...edited.values()],
    outputs: graph.outputs.map(now),
  };
}
