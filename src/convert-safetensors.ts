import { VERSION } from './base/version.js';
import type { CheckpointSource } from './checkpoint/checkpoint-file.js';
import { saveSafetensors } from './checkpoint/container/write-safetensors.js';
import { toFloat32 } from './checkpoint/tensor/float32.js';
import type { StateDict } from './checkpoint/tensor/tensor.js';
import { buildNetwork } from './describe-model.js';
import { stateDictEntries } from './network/keys.js';
import { variantOf } from './network/network.js';
import { faultWarnings, findFaults } from './network/weight-faults.js';
import { NETWORK, type Variant } from './networks/index.js';
import { readNetwork, type SourceOptions } from './read-network.js';
import type { Provenance, SourceFile } from './stored-model/provenance.js';

export interface SafetensorsOptions extends SourceOptions {
  /** torchvision's `transform_input`, to be kept in the metadata; default: as far as it is known. */
  readonly transformInput?: boolean | undefined;
}

/** A state dict as a safetensors file, and what it was made of. */
export interface SafetensorsConversion extends Variant {
  /** The file. */
  readonly bytes: Uint8Array;
  readonly source: SourceFile;
  /** Where the state dict was in the checkpoint (`.` at the top), and what stood before its keys. */
  readonly stateDict: Provenance['stateDict'];
  readonly numClasses: number;
  /** As the metadata has it; null where it is unknown. */
  readonly transformInput: boolean | null;
  /** Tensors in the whole checkpoint. */
  readonly tensors: number;
  /** Tensors in the written file. */
  readonly written: number;
  /** Keys that torchvision's model would refuse: of wrappers, and of what is beside the network. */
  readonly leftOut: readonly string[];
  /** What was set aside, one sentence each. */
  readonly notes: readonly string[];
  /** Things that the user should know, one sentence each. */
  readonly warnings: readonly string[];
  /** What the file keeps under `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Converts a torchvision GoogLeNet checkpoint to safetensors, in memory: the state dict itself, every
 * tensor in the type that it has, auxiliary heads and counters included, under torchvision's keys, so
 * that `model.load_state_dict(safetensors.torch.load_file(…))` takes it.
 *
 * @param checkpoint what `torch.save` or safetensors wrote, gzipped or not; must not change while this runs
 * @throws Pth2tfjsError as `readCheckpoint` does; `no-state-dict`, `ambiguous-state-dict`; `unsupported`
 *   for a type that safetensors lacks; `MappingError` when the state dict does not fit
 */
export async function convertToSafetensors(
  checkpoint: CheckpointSource,
  options: SafetensorsOptions = {},
): Promise<SafetensorsConversion> {
  const network = await readNetwork(checkpoint, options);
  const { source, found, match, tensors } = network;
  const own = stateDictEntries(buildNetwork(match));
  const stateDict = new Map([...network.stateDict].filter(([key]) => own.has(key)));
  const transformInput = options.transformInput ?? network.transformInput ?? null;
  const origin = source.origin ?? source;
  const metadata = {
    format: 'pt',
    tool: `pth2tfjs ${VERSION}`,
    ...(origin.name === null ? {} : { checkpoint: origin.name }),
    ...(origin.sha256 === null ? {} : { checkpoint_sha256: origin.sha256 }),
    ...(transformInput === null ? {} : { transform_input: String(transformInput) }),
  };
  return {
    bytes: saveSafetensors(stateDict, new Map(Object.entries(metadata))),
    source,
    stateDict: found,
    ...variantOf(NETWORK, match),
    numClasses: match.numClasses,
    transformInput,
    tensors,
    written: stateDict.size,
    leftOut: match.ignored.filter((key) => !stateDict.has(key)),
    notes: network.notes,
    warnings: [...network.warnings, ...faultWarnings(findFaults(readFloats(stateDict)))],
    metadata,
  };
}

/** Every tensor but the counters. */
function* readFloats(stateDict: StateDict): Generator<[string, Float32Array]> {
  for (const [key, tensor] of stateDict) {
    if (!key.endsWith('.num_batches_tracked')) yield [key, toFloat32(tensor)];
  }
}
