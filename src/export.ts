import type { Crc32 } from './checkpoint/container/crc32.js';
import { saveStateDict } from './checkpoint/save-state-dict.js';
import type { FloatDType } from './checkpoint/tensor/float-dtypes.js';
import type { StateDict } from './checkpoint/tensor/tensor.js';
import { buildNetwork, describeTrainable, type TrainableOptions } from './describe-model.js';
import { toStateDict } from './network/invert.js';
import { stateDictVersions } from './network/keys.js';
import type { NamedBytes } from './stored-model/artifacts.js';
import { openStoredModel } from './stored-model/open.js';
import type { StoredModel } from './stored-model/stored-model.js';
import { openTrainable, trainableWarnings } from './stored-model/trainable-model.js';

export interface ExportOptions {
  /** `zip` (the default) is read by torch 1.6 and newer, `legacy` by all. */
  readonly format?: 'zip' | 'legacy' | undefined;
  /**
   * What to store float tensors as. Default: float32; for a model that was not trained since, what its
   * checkpoint had.
   */
  readonly dtype?: FloatDType | undefined;
  /** Let a model whose BatchNorm is folded go back with one that does nothing. */
  readonly identityBatchNorm?: boolean | undefined;
  /** A faster CRC-32, such as Node's `zlib.crc32`. */
  readonly crc32?: Crc32 | undefined;
}

export interface Export {
  /** As `torch.save(model.state_dict(), file)` writes it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly stateDict: StateDict;
  readonly dtype: FloatDType;
  readonly options: TrainableOptions;
  /** Things that the user should know, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Turns a trainable model back into a PyTorch checkpoint: torchvision's keys in their order, with
 * `_metadata`, for `load_state_dict(strict=True)`.
 * @param files a folder that `convert --trainable` or training wrote
 * @throws Pth2tfjsError as `openTrainable` does; `unsupported` for a folded model without
 *   `identityBatchNorm`
 */
export function exportCheckpoint(
  files: readonly NamedBytes[],
  options: ExportOptions = {},
): Export {
  return exportStored(openStoredModel(files), options);
}

/** The same of a model that is open. */
export function exportStored(stored: StoredModel, options: ExportOptions = {}): Export {
  const model = openTrainable(stored, options);
  const { dtype = model.dtype } = options;
  const root = buildNetwork(model.options);
  const { tensors } = describeTrainable(model.options);
  const stateDict = toStateDict(root, tensors, model.read, model.batches, dtype);
  const bytes = saveStateDict(stateDict, {
    format: options.format,
    metadata: stateDictVersions(root),
    crc32: options.crc32,
  });
  return { bytes, stateDict, dtype, options: model.options, warnings: trainableWarnings(model) };
}
