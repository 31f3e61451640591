import { Pth2tfjsError } from '../base/errors.js';
import { asModule, moduleAt, type PickledModule } from '../checkpoint/state-dict/pickled-module.js';
import { type Module, namedModules } from './module.js';
import type { Network } from './network.js';

/**
 * What a pickled module says of itself beyond its tensors, against the network: a stride or an epsilon of
 * its own changes the logits, and no state dict would show it. Attribute names are torch.nn's.
 */

/**
 * Checks the modules that a whole pickled network is made of; one that is not there is not looked at.
 * @param auxiliary children that inference does not use
 * @throws Pth2tfjsError `mapping` for the first that computes something else than torchvision's
 */
export function checkModule(
  pickled: PickledModule,
  root: Module,
  auxiliary: readonly string[],
): void {
  const { type: name } = root;
  for (const [path, { type, settings }] of namedModules(root)) {
    const used = settings !== null && !auxiliary.includes(path.split('.')[0] as string);
    const module = used ? moduleAt(pickled, path) : undefined;
    if (module === undefined) continue;
    if (!isKind(module.type, type)) throw differs(name, path, `is a ${module.type}`);
    for (const [setting, value] of Object.entries(settings ?? {})) {
      const found = module.attributes.get(setting);
      if (found !== undefined && !sameSetting(found, value)) {
        const how = `has ${setting}=${text(found)}, where torchvision has ${text(single(value))}`;
        throw differs(name, path, how);
      }
    }
  }
}

/** Subclasses end in the name of what they are. */
function isKind(found: string, type: string): boolean {
  const name = found.slice(found.lastIndexOf('.') + 1);
  const ending = OTHER_ENDINGS[type]?.find((each) => name.endsWith(each)) ?? type;
  return name.endsWith(ending) && !OTHER_KINDS.test(name.slice(0, -ending.length));
}

/** SyncBatchNorm computes what BatchNorm2d does, in evaluation. */
const OTHER_ENDINGS: Readonly<Record<string, readonly string[]>> = { BatchNorm2d: ['BatchNorm'] };
/** What makes another pool of a pool. */
const OTHER_KINDS = /(Adaptive|Fractional)$/;

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
export function moduleWarnings(
  module: PickledModule,
  { name, pickledAs }: Pick<Network, 'name' | 'pickledAs'>,
): string[] {
  const { type } = module;
  const warnings: string[] = [];
  if (type.startsWith('torch.fx.')) {
    warnings.push(
      `the module was traced by torch.fx: the file carries Python source, which was not run and would be in Python; it is taken to compute what ${name} computes`,
    );
  } else if (!pickledAs.test(type)) {
    warnings.push(
      `the module is a ${type}, whose code is not in the file; it is taken to compute what torchvision's ${name} computes`,
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

function differs(name: string, path: string, how: string): Pth2tfjsError {
  return new Pth2tfjsError('mapping', `the pickled network is no plain ${name}: ${path} ${how}`, {
    hint: "torchvision's layers would give other logits; only if you know that they do not, save the state dict alone, in Python: torch.save(model.state_dict(), 'out.pth')",
  });
}

/** One number may stand for both directions, in PyTorch as here. */
function sameSetting(found: unknown, value: unknown): boolean {
  const [pair, wanted] = [found, value].map((each) => (Array.isArray(each) ? each : [each, each]));
  return String(pair) === String(wanted);
}

/** One number in place of two that are equal. */
function single(value: unknown): unknown {
  return Array.isArray(value) && value[0] === value[1] ? value[0] : value;
}

function text(value: unknown): string {
  return Array.isArray(value) ? `(${value.map(String).join(', ')})` : String(value);
}
