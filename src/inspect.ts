import { isPth2tfjsError } from './base/errors.js';
import { type CheckpointSource, openCheckpoint } from './checkpoint/checkpoint-file.js';
import { describeOpaque, listOpaque, type OpaqueClass } from './checkpoint/pickle/opaque-values.js';
import type { Container, ReadOptions } from './checkpoint/read-checkpoint.js';
import {
  findStateDicts,
  listTensors,
  RECOGNISABLE_FIT,
  type StateDictCandidate,
  selectStateDict,
} from './checkpoint/state-dict/find-state-dict.js';
import type { DType } from './checkpoint/tensor/dtype.js';
import type { TensorView } from './checkpoint/tensor/tensor.js';
import { buildNetwork } from './describe-model.js';
import { countParameters, type Module } from './network/module.js';
import { officialWeights, variantOf } from './network/network.js';
import { printTree } from './network/print.js';
import { measureModules } from './network/summary.js';
import { NETWORK, type Variant } from './networks/index.js';
import { matchStateDict, NETWORK_KEYS } from './networks/match.js';
import { recordedTransform } from './read-network.js';

export interface TensorSummary {
  /** Dotted path in the saved value. */
  readonly key: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** A state dict with the network's keys: the network, or why it does not fit. */
export type NetworkSummary = {
  readonly stateDict: { readonly name: string; readonly prefix: string };
} & (
  | {
      readonly fits: false;
      readonly problem: string;
      /** What to do about it, where that is known. */
      readonly hint?: string | undefined;
    }
  | ({
      readonly fits: true;
      readonly numClasses: number;
      readonly parameters: ParameterCounts;
      /** `print(model)`, with parameter counts. */
      readonly tree: string;
    } & Variant)
);

/** Parameters as PyTorch counts them: weights and biases, no running statistics. */
export interface ParameterCounts {
  readonly main: number;
  readonly aux: number;
}

export interface InspectOptions extends ReadOptions {
  /** Show this state dict only, by its dotted path. */
  readonly key?: string | undefined;
  /** torchvision's `transform_input`, where the caller knows it. */
  readonly transformInput?: boolean | undefined;
}

export interface Inspection {
  readonly container: Container;
  /** Of the checkpoint, after gunzip; null where the platform has no Web Crypto. */
  readonly sha256: string | null;
  /**
   * torchvision's `transform_input`: as asked for, as a safetensors file notes it, or on for the official
   * weights; null where nothing tells.
   */
  readonly transformInput: boolean | null;
  /** Text that a safetensors file keeps beside its tensors; empty for the other containers. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: readonly TensorSummary[];
  readonly networks: readonly NetworkSummary[];
  /** Objects that mean nothing here, and were set aside. */
  readonly opaque: readonly OpaqueClass[];
  /** Things that the user should know, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Tells what a checkpoint holds: its container, its tensors, and each GoogLeNet among them.
 * @throws Pth2tfjsError as `readCheckpoint` does; `no-state-dict` where there is none under the `key`
 */
export async function inspectCheckpoint(
  checkpoint: CheckpointSource,
  options: InspectOptions = {},
): Promise<Inspection> {
  const opened = openCheckpoint(checkpoint, options);
  const { container, value, metadata, ...read } = await opened.read();
  const digest = await opened.sha256();
  const { tensors, networks } = select(value, options.key);
  const found = networks.filter(({ fit }) => fit >= RECOGNISABLE_FIT);
  const [network] = found;
  const known =
    officialWeights(NETWORK, digest, container.byteLength)?.transformInput ??
    recordedTransform(network, metadata);
  const opaque = listOpaque(value, read.opaque, network?.path);
  return {
    container,
    sha256: digest ?? null,
    transformInput: options.transformInput ?? known ?? null,
    metadata: Object.fromEntries(metadata),
    tensors: [...tensors].map(([key, { dtype, shape }]) => ({ key, dtype, shape })),
    networks: found.map(summarise),
    opaque,
    warnings: [...read.warnings, ...(opaque.length > 0 ? [describeOpaque(opaque)] : [])],
  };
}

/** All that was saved, or what lies under one path of it. */
function select(value: unknown, key: string | undefined) {
  const all = listTensors(value);
  if (key === undefined) return { tensors: all, networks: findStateDicts(value, NETWORK_KEYS) };
  const candidate = selectStateDict(value, { key, networkKeys: NETWORK_KEYS });
  const within = [...all].filter(([path]) => key === '.' || path.startsWith(`${key}.`));
  const tensors: Iterable<readonly [string, TensorView]> =
    within.length > 0 ? within : candidate.stateDict;
  return { tensors, networks: [candidate] };
}

function summarise(candidate: StateDictCandidate): NetworkSummary {
  const { name, prefix, stateDict } = candidate;
  try {
    const match = matchStateDict(stateDict, candidate);
    const { numClasses } = match;
    const root = buildNetwork(match);
    return {
      stateDict: { name, prefix },
      fits: true,
      ...variantOf(NETWORK, match),
      numClasses,
      parameters: countByUse(root),
      tree: printTree(root),
    };
  } catch (error) {
    if (!isPth2tfjsError(error) || error.code !== 'mapping') throw error;
    const { message: problem, hint } = error;
    return { stateDict: { name, prefix }, fits: false, problem, hint };
  }
}

/** Those that inference uses, and those of auxiliary heads. */
function countByUse(root: Module): ParameterCounts {
  const { standard } = NETWORK.imageSizes;
  const [network] = measureModules(root, [3, standard, standard]);
  const main = network?.parameters ?? 0;
  return { main, aux: countParameters(root) - main };
}
