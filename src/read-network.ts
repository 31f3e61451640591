import { Pth2tfjsError } from './base/errors.js';
import { type CheckpointSource, openCheckpoint } from './checkpoint/checkpoint-file.js';
import { readFlag } from './checkpoint/container/read-safetensors.js';
import { SAVE_AGAIN } from './checkpoint/pickle/danger.js';
import { describeOpaque, listOpaque } from './checkpoint/pickle/opaque-values.js';
import type { ReadOptions } from './checkpoint/read-checkpoint.js';
import {
  listTensors,
  type StateDictCandidate,
  selectStateDict,
} from './checkpoint/state-dict/find-state-dict.js';
import type { StateDict } from './checkpoint/tensor/tensor.js';
import { officialWeights } from './network/network.js';
import { NETWORK } from './networks/index.js';
import { type Match, matchStateDict, NETWORK_KEYS } from './networks/match.js';
import { describeSource, type Provenance, type SourceFile } from './stored-model/provenance.js';

export interface SourceOptions extends ReadOptions {
  /** The checkpoint's file name, for the provenance; it does not change what is read. */
  readonly sourceName?: string | undefined;
  /** Dotted path of the state dict in the checkpoint, when several fit. */
  readonly key?: string | undefined;
  /** Refuse what else only brings a warning: opaque objects, and tensors that a wrapper may use. */
  readonly strict?: boolean | undefined;
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
   * torchvision's `transform_input`, which no state dict records: on for the official weights, what a
   * whole pickled module or a safetensors file's metadata says, else undefined.
   */
  readonly transformInput: boolean | undefined;
  /** Tensors in the whole checkpoint. */
  readonly tensors: number;
  /** What was set aside, one sentence each. */
  readonly notes: readonly string[];
  /** Things that the user should know, one sentence each. */
  readonly warnings: readonly string[];
}

/** The same while the checkpoint is still being hashed. */
export interface HashedNetwork extends Omit<SourceNetwork, 'source'> {
  readonly source: Promise<SourceFile>;
}

/**
 * Reads a checkpoint and fits the network to what is in it.
 * @throws Pth2tfjsError as `readCheckpoint` does; `no-state-dict`, `ambiguous-state-dict`;
 *   `MappingError` when the state dict does not fit
 */
export async function readNetwork(
  checkpoint: CheckpointSource,
  options: SourceOptions = {},
): Promise<SourceNetwork> {
  const network = await readWhileHashing(checkpoint, options);
  return { ...network, source: await network.source };
}

/**
 * Does so without waiting for the hash, unless it may be that of the official weights.
 * @throws Pth2tfjsError as {@link readNetwork} does
 */
export async function readWhileHashing(
  checkpoint: CheckpointSource,
  options: SourceOptions = {},
): Promise<HashedNetwork> {
  const opened = openCheckpoint(checkpoint, options);
  await opened.ungzip();
  const hashing = opened.sha256();
  const { container, value, metadata, ...read } = await opened.read();
  const { candidate, match } = findNetwork(value, options.key);
  const { name, prefix, stateDict } = candidate;
  const opaque = listOpaque(value, read.opaque, candidate.path);
  const leftovers = [...(opaque.length > 0 ? [describeOpaque(opaque)] : []), ...match.warnings];
  if (options.strict) refuseLeftovers(leftovers);
  const { byteLength } = container;
  const mayBe = NETWORK.official.some(({ bytes }) => bytes === byteLength);
  const official = officialWeights(NETWORK, mayBe ? await hashing : undefined, byteLength);
  const source = hashing.then((digest) =>
    describeSource(container, options.sourceName, digest, metadata),
  );
  // Whoever waits for it hears what went wrong; others have something else to tell.
  source.catch(() => {});
  return {
    source,
    found: { name, prefix },
    stateDict,
    match,
    official: official !== undefined,
    transformInput: official?.transformInput ?? recordedTransform(candidate, metadata),
    tensors: listTensors(value).size,
    notes: match.notes,
    warnings: [...read.warnings, ...leftovers],
  };
}

/** The state dict in what was read, and how the network fits it. */
export function findNetwork(
  value: unknown,
  key: string | undefined,
): { readonly candidate: StateDictCandidate; readonly match: Match } {
  const candidate = selectStateDict(value, { key, networkKeys: NETWORK_KEYS });
  return { candidate, match: matchStateDict(candidate.stateDict, candidate) };
}

function refuseLeftovers([first, ...more]: readonly string[]): void {
  if (first === undefined) return;
  const rest = more.length > 0 ? `; ${more.join('; ')}` : '';
  throw new Pth2tfjsError(
    'unsupported',
    `strict reading refuses what is left over: ${first}${rest}`,
    {
      hint: SAVE_AGAIN,
    },
  );
}

/** `transform_input` as a whole pickled module has it, or a safetensors file's metadata. */
export function recordedTransform(
  network: StateDictCandidate | undefined,
  metadata: ReadonlyMap<string, string>,
): boolean | undefined {
  const attribute = network?.module?.attributes.get('transform_input');
  return typeof attribute === 'boolean' ? attribute : readFlag(metadata.get('transform_input'));
}
