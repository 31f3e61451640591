import { OrderedDict } from '../pickle/inert.js';

/**
 * What PyTorch keeps beside the tensors of a state dict: the version of each module's own part, by
 * the module's path, `''` for the network itself. `load_state_dict` looks there for what to migrate:
 * a BatchNorm of version 2 has `num_batches_tracked`.
 * Source: torch/nn/modules/module.py, state_dict; batchnorm.py, _load_from_state_dict.
 */
export type StateDictMetadata = ReadonlyMap<string, number>;

/**
 * The `_metadata` of a state dict, as {@link readCheckpoint} gave it.
 * @returns undefined for a dict that has none, such as one that was copied key by key in Python
 */
export function stateDictMetadata(value: unknown): StateDictMetadata | undefined {
  const attributes = value instanceof OrderedDict ? value.attributes : undefined;
  const modules = attributes instanceof Map ? attributes.get('_metadata') : undefined;
  if (!(modules instanceof Map)) return undefined;
  const versions = new Map<string, number>();
  for (const [path, local] of modules) {
    const version = local instanceof Map ? local.get('version') : undefined;
    if (typeof path === 'string' && typeof version === 'number') versions.set(path, version);
  }
  return versions;
}
