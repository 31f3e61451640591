import { type ReadOptions, readCheckpoint, ungzip } from './checkpoint/index.js';
import { readFlag } from './checkpoint/safetensors.js';
import { listTensors, selectStateDict } from './checkpoint/state-dict.js';
import type { StateDict } from './checkpoint/tensor.js';
import { type Match, matchStateDict, NETWORK_KEYS } from './googlenet/mapping.js';
import { isOfficial } from './googlenet/official.js';
import { describeSource, type Provenance, type SourceFile } from './provenance.js';
import { sha256 } from './sha256.js';

export interface SourceOptions extends ReadOptions {
  /** The checkpoint's file name, for the provenance; it does not change what is read. */
  readonly sourceName?: string | undefined;
  /** Dotted path of the state dict in the checkpoint, when several fit. */
  readonly key?: string | undefined;
}

/** The network in a checkpoint, and where it came from: the way that all conversions share. */
export interface SourceNetwork {
  readonly source: SourceFile;
  /** Where the state dict was in the checkpoint. */
  readonly found: Provenance['stateDict'];
  /** Under torchvision's keys. */
  readonly stateDict: StateDict;
  readonly match: Match;
  /** Whether these are torchvision's official weights. */
  readonly official: boolean;
  /**
   * torchvision's `transform_input`, which no state dict records: on for the official weights, what the
   * metadata says for a safetensors file that does, else undefined.
   */
  readonly transformInput: boolean | undefined;
  /** Tensors in the whole checkpoint. */
  readonly tensors: number;
}

/**
 * Reads a checkpoint and fits the network to what is in it.
 * @throws Pth2tfjsError as `readCheckpoint` does; `no-state-dict`, `ambiguous-state-dict`;
 *   `MappingError` when the state dict does not fit
 */
export async function readNetwork(
  bytes: Uint8Array,
  options: SourceOptions = {},
): Promise<SourceNetwork> {
  const { file, gzip } = await ungzip(bytes);
  const hashing = sha256(file);
  const { container, value, metadata } = await readCheckpoint(file, options);
  const candidate = selectStateDict(value, { key: options.key, networkKeys: NETWORK_KEYS });
  const { name, prefix, stateDict } = candidate;
  const match = matchStateDict(stateDict, candidate);
  const digest = await hashing;
  const official = isOfficial(digest, file.length);
  return {
    source: describeSource({ ...container, gzip }, options.sourceName, digest, metadata),
    found: { name, prefix },
    stateDict,
    match,
    official,
    transformInput: official ? true : readFlag(metadata.get('transform_input')),
    tensors: listTensors(value).size,
  };
}
