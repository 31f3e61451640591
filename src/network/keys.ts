import type { StateDictMetadata } from '../checkpoint/state-dict/metadata.js';
import { join, type Module, namedModules, type OwnTensor } from './module.js';

/** Every entry of `model.state_dict()`, in its order. */
export function stateDictEntries(root: Module): Map<string, OwnTensor> {
  const entries = new Map<string, OwnTensor>();
  for (const [path, { tensors }] of namedModules(root)) {
    for (const tensor of tensors) entries.set(join(path, tensor.name), tensor);
  }
  return entries;
}

/** The `_metadata` of the state dict: every module's path and version. */
export function stateDictVersions(root: Module): StateDictMetadata {
  return new Map([...namedModules(root)].map(([path, { version }]) => [path, version]));
}
