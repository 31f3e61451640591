import { AUX_HEADS } from './architecture.js';
import { buildTree, type Module, type TreeOptions } from './module-tree.js';

/**
 * The network as `print(model)` shows it in PyTorch, with the parameters of each module beside it.
 */

/** Parameters as PyTorch counts them: weights and biases, no running statistics. */
export interface ParameterCounts {
  readonly main: number;
  readonly aux: number;
}

/** Lines of `print(model)`, each with its parameter count behind `#`. */
export function printTree(options: TreeOptions): string {
  return lines(buildTree(options), '').join('\n');
}

export function countParameters(options: TreeOptions): ParameterCounts {
  const children = buildTree(options).children ?? [];
  const isAux = ({ name }: Module) => AUX_HEADS.some((head) => head.name === name);
  const sum = (modules: readonly Module[]) =>
    modules.reduce((n, module) => n + parametersOf(module), 0);
  return { main: sum(children.filter((m) => !isAux(m))), aux: sum(children.filter(isAux)) };
}

function parametersOf({ parameters, children = [] }: Module): number {
  return children.reduce((sum, child) => sum + parametersOf(child), parameters ?? 0);
}

function lines(module: Module, indent: string): string[] {
  const count = parametersOf(module);
  const note = count > 0 ? `  # ${count.toLocaleString('en-US')}` : '';
  const label = module.name === '' ? '' : `(${module.name}): `;
  const { children } = module;
  if (children === undefined) return [`${indent}${label}${module.type}(${module.text})${note}`];
  const inner = children.flatMap((child) => lines(child, `${indent}  `));
  return [`${indent}${label}${module.type}(${note}`, ...inner, `${indent})`];
}
