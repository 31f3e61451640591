import { AUX, AUX_HEADS } from './architecture.js';
import { buildTree, type FeatureShape, type Module, type TreeOptions } from './module-tree.js';
import { countParameters, parametersOf, treeLines } from './print.js';

/** The network as `print(model)` shows it, measured: output shapes, parameters, multiply-accumulates. */

export interface SummaryOptions extends TreeOptions {
  /** Side of the square image in pixels. */
  readonly imageSize: number;
}

/** What one module gives for one image, and what that takes. */
export interface ModuleSummary {
  /** Such as `inception3a.branch2.0.conv`; `''` for the network. */
  readonly path: string;
  readonly type: string;
  /** Channels, height and width, or features. */
  readonly output: FeatureShape;
  readonly parameters: number;
  readonly macs: number;
}

/**
 * The tree that `print(model)` shows in PyTorch, with each module's output shape for one image,
 * its parameters and its multiply-accumulates beside it, and the totals below.
 * @param model such as a TrainableGoogLeNet
 */
export function summary({ options }: { readonly options: SummaryOptions }): string {
  const modules = new Map(measureModules(options).map((module) => [module.path, module]));
  const lines = treeLines(buildTree(options));
  const width = Math.max(...lines.map(({ text }) => text.length));
  const rows = lines.map(({ text, path }) => {
    const module = path === undefined ? undefined : modules.get(path);
    return module === undefined ? text : `${text.padEnd(width)}  # ${facts(module)}`;
  });
  return [...rows, totals(options, modules.get('')?.macs ?? 0)].join('\n');
}

/** Every module in the order of `model.named_modules()`; the network's numbers are those of inference. */
export function measureModules(options: SummaryOptions): ModuleSummary[] {
  const tree = buildTree(options);
  const taps = new Map<string, FeatureShape>();
  const inner: ModuleSummary[] = [];
  let output: FeatureShape = [3, options.imageSize, options.imageSize];
  let macs = 0;
  for (const child of tree.children ?? []) {
    const head = AUX_HEADS.find(({ name }) => name === child.name);
    const measured = measure(child, child.name, head ? pooled(taps.get(head.stage)) : output);
    inner.push(...measured);
    if (head !== undefined) continue;
    output = (measured[0] as ModuleSummary).output;
    macs += (measured[0] as ModuleSummary).macs;
    taps.set(child.name, output);
  }
  const parameters = countParameters(options).main;
  return [{ path: '', type: tree.type, output, parameters, macs }, ...inner];
}

/** An auxiliary head starts with a pool that is no module. */
function pooled([channels = 0]: FeatureShape = []): FeatureShape {
  return [channels, AUX.poolSize, AUX.poolSize];
}

/** A module and those in it; the first is the module itself. */
function measure(module: Module, path: string, input: FeatureShape): ModuleSummary[] {
  const { type, children } = module;
  const parameters = parametersOf(module);
  if (children === undefined) {
    const { output = input, macs = 0 } = module.measure?.(input) ?? {};
    return [{ path, type, output, parameters, macs }];
  }
  const parallel = type === 'Inception';
  const measured = new Map<Module, ModuleSummary[]>();
  let output = input;
  for (const child of runOrder(module)) {
    const found = measure(child, `${path}.${child.name}`, parallel ? input : output);
    measured.set(child, found);
    output = (found[0] as ModuleSummary).output;
  }
  const parts = children.map((child) => measured.get(child) as ModuleSummary[]);
  const own = parts.map(([first]) => first as ModuleSummary);
  const macs = own.reduce((sum, part) => sum + part.macs, 0);
  if (parallel) output = concatenated(own.map((part) => part.output));
  return [{ path, type, output, parameters, macs }, ...parts.flat()];
}

/** InceptionAux registers its dropout last, and runs it before its last linear layer. */
function runOrder({ type, children = [] }: Module): readonly Module[] {
  return type === 'InceptionAux'
    ? [...children.slice(0, -2), ...children.slice(-2).reverse()]
    : children;
}

function concatenated(outputs: readonly FeatureShape[]): FeatureShape {
  const channels = outputs.reduce((sum, [size = 0]) => sum + size, 0);
  return [channels, ...(outputs[0] ?? []).slice(1)];
}

function facts({ output, parameters, macs }: ModuleSummary): string {
  const counts = [
    parameters > 0 ? `${parameters.toLocaleString('en-US')} parameters` : '',
    macs > 0 ? `${(macs / 1e6).toFixed(2)} MMAC` : '',
  ];
  return [`[${output.join(', ')}]`, ...counts.filter(Boolean)].join(', ');
}

function totals(options: SummaryOptions, macs: number): string {
  const { main, aux } = countParameters(options);
  const heads = aux === 0 ? '' : `; with auxiliary heads ${(main + aux).toLocaleString('en-US')}`;
  const { imageSize } = options;
  return `${main.toLocaleString('en-US')} parameters${heads}\n${(macs / 1e9).toFixed(2)} GMAC an image of ${imageSize}x${imageSize}`;
}
