import { prune } from './fold.js';
import { countParameters, type Module, namedModules } from './module.js';
import { treeLines } from './print.js';
import { type Graph, trace } from './trace.js';
import type { Shape } from './value.js';

/** The network as `print(model)` shows it, measured: output shapes, parameters, multiply-accumulates. */

/** What one module gives for one image, and what that takes. */
export interface ModuleSummary {
  /** Such as `layer1.0.conv1`; `''` for the network. */
  readonly path: string;
  readonly type: string;
  /** Channels, height and width, or features. */
  readonly output: Shape;
  readonly parameters: number;
  readonly macs: number;
}

/**
 * Every module in the order of `model.named_modules()`; the network's own numbers are those of inference,
 * without auxiliary heads.
 * @param input channels, height and width
 */
export function measureModules(root: Module, input: Shape): ModuleSummary[] {
  const traced = trace(root, input);
  const heads = auxiliaryHeads(root, traced);
  const [network, ...modules] = [...namedModules(root)].map(([path, module]) => {
    const { output = [], macs = 0 } = traced.runs.get(path) ?? {};
    return { path, type: module.type, output, parameters: countParameters(module), macs };
  }) as [ModuleSummary, ...ModuleSummary[]];
  const unused = modules.filter(({ path }) => heads.includes(path));
  const less = (field: 'parameters' | 'macs') =>
    unused.reduce((left, each) => left - each[field], network[field]);
  return [{ ...network, parameters: less('parameters'), macs: less('macs') }, ...modules];
}

/** Children of the network that the logits do not come of: what only training uses. */
export function auxiliaryHeads(root: Module, graph: Graph): string[] {
  const used = new Set(prune(graph).values.map(({ path }) => path.split('.')[0]));
  return Object.keys(root.children).filter((name) => !used.has(name));
}

/** The printed tree, with each module's facts behind `#`. */
export function summaryLines(root: Module, modules: readonly ModuleSummary[]): string[] {
  const facts = new Map(modules.map((each) => [each.path, each]));
  const lines = treeLines(root);
  const width = Math.max(...lines.map(({ text }) => text.length));
  return lines.map(({ text, path }) => {
    const module = path === undefined ? undefined : facts.get(path);
    return module === undefined ? text : `${text.padEnd(width)}  # ${describe(module)}`;
  });
}

function describe({ output, parameters, macs }: ModuleSummary): string {
  const counts = [
    parameters > 0 ? `${parameters.toLocaleString('en-US')} parameters` : '',
    macs > 0 ? `${(macs / 1e6).toFixed(2)} MMAC` : '',
  ];
  return [`[${output.join(', ')}]`, ...counts.filter(Boolean)].join(', ');
}
