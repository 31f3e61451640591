import type { DType } from './checkpoint/dtype.js';
import { type Container, type ReadOptions, readCheckpoint } from './checkpoint/index.js';
import {
  findStateDicts,
  listTensors,
  RECOGNISABLE_FIT,
  type StateDictCandidate,
} from './checkpoint/state-dict.js';
import type { Branch3Kernel } from './googlenet/architecture.js';
import { MappingError, matchStateDict, NETWORK_KEYS } from './googlenet/mapping.js';
import { countParameters, type ParameterCounts, printTree } from './googlenet/print.js';

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
  | { readonly fits: false; readonly problem: string }
  | {
      readonly fits: true;
      readonly branch3Kernel: Branch3Kernel;
      readonly numClasses: number;
      readonly parameters: ParameterCounts;
      /** `print(model)`, with parameter counts. */
      readonly tree: string;
    }
);

export interface Inspection {
  readonly container: Container;
  /** Text that a safetensors file keeps beside its tensors; empty for the other containers. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: readonly TensorSummary[];
  readonly networks: readonly NetworkSummary[];
}

/**
 * Tells what a checkpoint holds: its container, its tensors, and each GoogLeNet among them.
 * @throws Pth2tfjsError as `readCheckpoint` does.
 */
export async function inspectCheckpoint(
  bytes: Uint8Array,
  options: ReadOptions = {},
): Promise<Inspection> {
  const { container, value, metadata } = await readCheckpoint(bytes, options);
  const tensors = [...listTensors(value)].map(([key, { dtype, shape }]) => ({ key, dtype, shape }));
  const networks = findStateDicts(value, NETWORK_KEYS).filter(({ fit }) => fit >= RECOGNISABLE_FIT);
  return {
    container,
    metadata: Object.fromEntries(metadata),
    tensors,
    networks: networks.map(summarise),
  };
}

function summarise(candidate: StateDictCandidate): NetworkSummary {
  const { name, prefix, stateDict } = candidate;
  try {
    const { branch3Kernel, numClasses, auxClasses } = matchStateDict(stateDict, candidate);
    const options = { branch3Kernel, numClasses, auxClasses };
    const parameters = countParameters(options);
    const tree = printTree(options);
    return { stateDict: { name, prefix }, fits: true, branch3Kernel, numClasses, parameters, tree };
  } catch (error) {
    if (!(error instanceof MappingError)) throw error;
    return { stateDict: { name, prefix }, fits: false, problem: error.message };
  }
}
