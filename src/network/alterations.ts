import type { StateDict } from '../checkpoint/tensor/tensor.js';
import type { Graph } from './trace.js';

/** What has been done to a network whose keys or shapes differ from a plain one's. */
export function nameAlteration(
  stateDict: StateDict,
  others: Iterable<string>,
  graph: Graph,
): string | undefined {
  const keys = [...stateDict.keys(), ...others];
  const some = (pattern: RegExp) => keys.some((key) => pattern.test(key));
  if (some(/fake_quant|activation_post_process/)) return 'prepared for quantization-aware training';
  if (some(/_packed_params|(^|\.)zero_point$/)) return 'quantized';
  return isFused(keys, graph)
    ? 'fused (its BatchNorms are folded into the convolutions)'
    : undefined;
}

/** The first convolutions are there, and no BatchNorm after them. */
function isFused(keys: readonly string[], { values }: Graph): boolean {
  const convs = values.flatMap(({ op }) => (op.type === 'conv2d' ? [op.module] : [])).slice(0, 3);
  const norms = values.flatMap(({ op }) => (op.type === 'batchNorm2d' ? [op.module] : []));
  const [first] = convs;
  const starts = (modules: readonly string[]) =>
    keys.some((key) => modules.some((module) => key.startsWith(`${module}.`)));
  return first !== undefined && starts([first]) && !starts(norms.slice(0, convs.length));
}
