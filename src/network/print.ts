import { countParameters, join, type Module } from './module.js';

/** A line of `print(model)`; those that open a module say which, closing ones do not. */
export interface TreeLine {
  readonly text: string;
  readonly module?: Module;
  /** As in `model.named_modules()`. */
  readonly path?: string;
}

/** `print(model)` as PyTorch writes it. */
export function treeLines(module: Module, path = '', indent = ''): TreeLine[] {
  const { type, extra, children } = module;
  const name = path.slice(path.lastIndexOf('.') + 1);
  const open = `${indent}${name === '' ? '' : `(${name}): `}${type}(`;
  const inner = Object.entries(children).flatMap(([child, each]) =>
    treeLines(each, join(path, child), `${indent}  `),
  );
  if (inner.length === 0) return [{ text: `${open}${extra})`, module, path }];
  return [{ text: open, module, path }, ...inner, { text: `${indent})` }];
}

/** `print(model)`, with each module's parameter count behind `#`. */
export function printTree(root: Module): string {
  const noted = treeLines(root).map(({ text, module }) => {
    const count = module === undefined ? 0 : countParameters(module);
    return count > 0 ? `${text}  # ${count.toLocaleString('en-US')}` : text;
  });
  return noted.join('\n');
}
