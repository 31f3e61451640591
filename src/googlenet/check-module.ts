import { asModule, moduleAt, type PickledModule } from '../checkpoint/module.js';
import { Pth2tfjsError } from '../errors.js';
import { BATCH_NORM_EPS, type Branch3Kernel, convBlocks, STAGES } from './architecture.js';

/**
 * What a pickled module says of itself beyond its tensors, against the network: a stride or an epsilon of
 * its own changes the logits, and no state dict would show it. Attribute names are torch.nn's.
 */

/** What a module's class and attributes have to be. */
interface Wanted {
  readonly path: string;
  readonly type: RegExp;
  readonly attributes: Readonly<Record<string, unknown>>;
}

function* wanted(branch3Kernel: Branch3Kernel): Generator<Wanted> {
  for (const { name, kernel, stride, padding } of convBlocks(branch3Kernel)) {
    const plain = { dilation: 1, groups: 1, padding_mode: 'zeros' };
    const attributes = { kernel_size: kernel, stride, padding, ...plain };
    yield { path: `${name}.conv`, type: /Conv2d$/, attributes };
    yield { path: `${name}.bn`, type: /BatchNorm(2d)?$/, attributes: { eps: BATCH_NORM_EPS } };
  }
  for (const stage of STAGES) {
    if (stage.type === 'pool') yield pool(stage.name, stage.kernel, stage.stride, 0);
    if (stage.type === 'inception') yield pool(`${stage.name}.branch4.0`, 3, 1, 1);
  }
  yield { path: 'avgpool', type: /AdaptiveAvgPool2d$/, attributes: { output_size: 1 } };
  yield { path: 'fc', type: /Linear$/, attributes: {} };
}

function pool(path: string, kernel: number, stride: number, padding: number): Wanted {
  const attributes = { kernel_size: kernel, stride, padding, dilation: 1, ceil_mode: true };
  return { path, type: /(^|\.)MaxPool2d$/, attributes };
}

/**
 * Checks the modules that a whole pickled network is made of; one that is not there is not looked at.
 * @throws Pth2tfjsError `mapping` for the first that computes something else than torchvision's
 */
export function checkModule(network: PickledModule, branch3Kernel: Branch3Kernel): void {
  for (const { path, type, attributes } of wanted(branch3Kernel)) {
    const module = moduleAt(network, path);
    if (module === undefined) continue;
    if (!type.test(module.type)) throw differs(path, `is a ${module.type}`);
    for (const [name, value] of Object.entries(attributes)) {
      const found = module.attributes.get(name);
      if (found !== undefined && !sameSetting(found, value)) {
        throw differs(path, `has ${name}=${text(found)}, where torchvision has ${text(value)}`);
      }
    }
  }
}

/** Whether hooks hang on a module or on one in it, which may change what it computes. */
function hasHooks(network: PickledModule, seen = new Set<unknown>()): boolean {
  const here = ['_forward_hooks', '_forward_pre_hooks'].some((name) => {
    const hooks = network.attributes.get(name);
    return hooks instanceof Map && hooks.size > 0;
  });
  if (here) return true;
  return [...network.modules.values()].some((child) => {
    const module = seen.has(child) ? undefined : asModule(child);
    seen.add(child);
    return module !== undefined && hasHooks(module, seen);
  });
}

/** What a class, whose code is not in the file, may do otherwise. */
export function moduleWarnings(module: PickledModule): string[] {
  const { type } = module;
  const warnings: string[] = [];
  if (type.startsWith('torch.fx.')) {
    warnings.push(
      'the module was traced by torch.fx: the file carries Python source, which was not run and would be in Python; it is taken to compute what GoogLeNet computes',
    );
  } else if (!/^torchvision\.models\..*GoogLeNet$/.test(type)) {
    warnings.push(
      `the module is a ${type}, whose code is not in the file; it is taken to compute what torchvision's GoogLeNet computes`,
    );
  }
  const others = unknownModules(module);
  if (others.length > 0 && warnings.length === 0) {
    warnings.push(
      `in the module ${others[0]}${others.length > 1 ? `, and ${others.length - 1} more` : ''}, whose code is not in the file; it is taken to compute what torch.nn's does`,
    );
  }
  if (hasHooks(module)) {
    warnings.push(
      'forward hooks hang on the module, which were not run; they may change its logits',
    );
  }
  return warnings;
}

/** The modules in a network whose classes are neither torch's nor torchvision's, in words. */
function unknownModules(network: PickledModule): string[] {
  const seen = new Set<unknown>();
  const visit = (module: PickledModule, prefix: string): string[] =>
    [...module.modules].flatMap(([name, child]) => {
      const inner = seen.has(child) ? undefined : asModule(child);
      seen.add(child);
      if (inner === undefined) return [];
      const path = `${prefix}${String(name)}`;
      const unknown = /^(torch|torchvision)\./.test(inner.type)
        ? []
        : [`${path} is a ${inner.type}`];
      return [...unknown, ...visit(inner, `${path}.`)];
    });
  return visit(network, '');
}

function differs(path: string, how: string): Pth2tfjsError {
  return new Pth2tfjsError('mapping', `the pickled network is no plain GoogLeNet: ${path} ${how}`, {
    hint: "if that does not matter, save the state dict alone, in Python: torch.save(model.state_dict(), 'out.pth')",
  });
}

/** One number may stand for both directions, in PyTorch as here. */
function sameSetting(found: unknown, value: unknown): boolean {
  return Array.isArray(found) ? found.every((one) => one === value) : found === value;
}

function text(value: unknown): string {
  return Array.isArray(value) ? `(${value.map(String).join(', ')})` : String(value);
}
