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
  const noted = treeLines(buildTree(options)).map(({ text, module }) => {
    const count = module === undefined ? 0 : parametersOf(module);
    return count > 0 ? `${text}  # ${count.toLocaleString('en-US')}` : text;
  });
  return noted.join('\n');
}

export function countParameters(options: TreeOptions): ParameterCounts {
  const children = buildTree(options).children ?? [];
  const isAux = ({ name }: Module) => AUX_HEADS.some((head) => head.name === name);
  const sum = (modules: readonly Module[]) =>
    modules.reduce((n, module) => n + parametersOf(module), 0);
  return { main: sum(children.filter((m) => !isAux(m))), aux: sum(children.filter(isAux)) };
}

/** Parameters of a module and of those in it. */
export function parametersOf({ parameters, children = [] }: Module): number {
  return children.reduce((sum, child) => sum + parametersOf(child), parameters ?? 0);
}

/** A line of the tree; those that open a module say which, closing ones do not. */
export interface TreeLine {
  readonly text: string;
  readonly module?: Module;
  /** As in `model.named_modules()`. */
  readonly path?: string;
}

export function treeLines(module: Module, path = '', indent = ''): TreeLine[] {
  const { name, type, text, children } = module;
  const label = name === '' ? '' : `(${name}): `;
  const open = `${indent}${label}${type}(`;
  if (children === undefined) return [{ text: `${open}${text})`, module, path }];
  const inner = children.flatMap((child) =>
    treeLines(child, path === '' ? child.name : `${path}.${child.name}`, `${indent}  `),
  );
  return [{ text: open, module, path }, ...inner, { text: `${indent})` }];
}
