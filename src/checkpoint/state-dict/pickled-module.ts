import { Pth2tfjsError } from '../../base/errors.js';
import { OpaqueObject, opaqueName } from '../pickle/inert.js';

/**
 * Whole pickled modules, read from what their objects held. Every `torch.nn.Module` keeps its tensors in
 * three dicts, whatever its class, and `state_dict()` walks them in one order; so the state dict is
 * there without the class. Source: torch/nn/modules/module.py (Module.__init__, state_dict,
 * _save_to_state_dict).
 */

/** Bounds on a tree of modules, whose shared parts could multiply without end. */
const MAX_DEPTH = 64;
const MAX_ENTRIES = 100_000;

/** What one module held. */
export interface PickledModule {
  /** The class's full name, such as `torchvision.models.googlenet.GoogLeNet`. */
  readonly type: string;
  readonly parameters: ReadonlyMap<unknown, unknown>;
  readonly buffers: ReadonlyMap<unknown, unknown>;
  readonly modules: ReadonlyMap<unknown, unknown>;
  /** Buffers that `state_dict()` leaves out. */
  readonly nonPersistent: ReadonlySet<unknown>;
  /** All of the object's attributes, these dicts among them. */
  readonly attributes: ReadonlyMap<unknown, unknown>;
}

/** What an opaque object is as a module; undefined for one that is none. */
export function asModule(value: unknown): PickledModule | undefined {
  if (!(value instanceof OpaqueObject)) return undefined;
  const attributes = attributesOf(value);
  const [parameters, buffers, modules] = ['_parameters', '_buffers', '_modules'].map((name) =>
    attributes?.get(name),
  );
  const isModule = parameters instanceof Map && buffers instanceof Map && modules instanceof Map;
  if (attributes === undefined || !isModule) return undefined;
  const nonPersistent = itemsOfSet(attributes.get('_non_persistent_buffers_set'));
  return { type: opaqueName(value), parameters, buffers, modules, nonPersistent, attributes };
}

/** The attributes of an object: BUILD's state, alone or before those of slots; or what torch.fx hands over. */
export function attributesOf({
  state,
  args,
}: OpaqueObject): ReadonlyMap<unknown, unknown> | undefined {
  const found = [state, ...(Array.isArray(state) ? state : []), args[0]];
  return found.find((candidate): candidate is Map<unknown, unknown> => candidate instanceof Map);
}

/** A set, which protocols below 4 write as a call with a list. */
function itemsOfSet(value: unknown): ReadonlySet<unknown> {
  if (value instanceof Set) return value;
  const items = value instanceof OpaqueObject ? value.args[0] : undefined;
  return new Set(Array.isArray(items) ? items : []);
}

/** A module that makes its own state dict, in code that is not in the file. */
export interface OwnStateDict {
  /** Dotted path in the outermost module, `''` for itself. */
  readonly path: string;
  readonly type: string;
}

/** The state dict of a module, in the order of `module.state_dict()`. */
export interface ModuleStateDict {
  /** Tensors, and what else is where a tensor belongs. */
  readonly entries: ReadonlyMap<string, unknown>;
  readonly own: readonly OwnStateDict[];
}

/**
 * What `module.state_dict()` gives: a module's parameters, its persistent buffers, then its children.
 * @throws Pth2tfjsError `limit` for a tree too deep or too large.
 */
export function moduleStateDict(module: PickledModule): ModuleStateDict {
  const entries = new Map<string, unknown>();
  const own: OwnStateDict[] = [];
  let visits = 0;
  const visit = (current: PickledModule, prefix: string, depth: number): void => {
    // Modules that are shared may multiply without a tensor among them.
    const many = Math.max(++visits, entries.size) > MAX_ENTRIES;
    if (depth > MAX_DEPTH || many) throw tooLarge();
    if (makesItsOwn(current)) own.push({ path: prefix.slice(0, -1), type: current.type });
    for (const [name, value] of ownEntries(current)) entries.set(prefix + name, value);
    for (const [name, child] of current.modules) {
      const inner = asModule(child);
      if (inner !== undefined) visit(inner, `${prefix}${String(name)}.`, depth + 1);
    }
  };
  visit(module, '', 0);
  return { entries, own };
}

function tooLarge(): Pth2tfjsError {
  return new Pth2tfjsError('limit', 'a module in the checkpoint is nested too deep or too large');
}

function* ownEntries({
  parameters,
  buffers,
  nonPersistent,
}: PickledModule): Generator<[string, unknown]> {
  for (const [name, value] of parameters) if (value !== null) yield [String(name), value];
  for (const [name, value] of buffers) {
    if (value !== null && !nonPersistent.has(name)) yield [String(name), value];
  }
}

/**
 * Quantised modules keep packed weights that only their own code can unpack.
 * Sources: torch/ao/nn/quantized/modules, torch/ao/nn/intrinsic/quantized.
 */
function makesItsOwn({ type, attributes }: PickledModule): boolean {
  return /\.quantized\./.test(type) || attributes.has('_packed_params');
}

/** The module at a dotted path of attributes, `''` for itself. */
export function moduleAt(module: PickledModule, path: string): PickledModule | undefined {
  return path
    .split('.')
    .filter((name) => name !== '')
    .reduce<PickledModule | undefined>(
      (current, name) => asModule(current?.modules.get(name)),
      module,
    );
}
