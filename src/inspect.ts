import type { DType } from './checkpoint/dtype.js';
import { type Container, type ReadOptions, readCheckpoint } from './checkpoint/index.js';
import { findStateDicts, listTensors, stripPrefixes } from './checkpoint/state-dict.js';
import { AUX_HEADS } from './googlenet/architecture.js';
import { fitOf, matchStateDict } from './googlenet/mapping.js';
import { countParameters, printTree } from './googlenet/print.js';

export interface TensorSummary {
  /** Dotted path in the saved value. */
  readonly key: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** The network that a state dict holds, or why it does not fit. */
export interface NetworkSummary {
  /** Path of the state dict in the saved value; empty at the top. */
  readonly path: string;
  readonly fits: boolean;
  /** Why not, when it does not fit. */
  readonly problem?: string;
  readonly branch3Kernel?: 3 | 5;
  readonly numClasses?: number;
  readonly parameters?: { readonly main: number; readonly aux: number };
  /** `print(model)`, with parameter counts. */
  readonly tree?: string;
}

export interface Inspection {
  readonly container: Container;
  readonly tensors: readonly TensorSummary[];
  readonly networks: readonly NetworkSummary[];
}

/** Below this share of GoogLeNet's keys, a dict of tensors is some other network's. */
const RECOGNISABLE = 0.5;

/**
 * Tells what a checkpoint holds: its container, its tensors, and each GoogLeNet among them.
 * @throws Pth2tfjsError as `readCheckpoint` does.
 */
export async function inspectCheckpoint(
  bytes: Uint8Array,
  options: ReadOptions = {},
): Promise<Inspection> {
  const { container, value } = await readCheckpoint(bytes, options);
  const tensors = [...listTensors(value)].map(([key, { dtype, shape }]) => ({ key, dtype, shape }));
  const networks = findStateDicts(value).flatMap((candidate) => {
    const { stateDict } = stripPrefixes(candidate);
    if (fitOf(new Set(stateDict.keys())) < RECOGNISABLE) return [];
    return [summarise(candidate.path, stateDict, candidate.otherKeys)];
  });
  return { container, tensors, networks };
}

function summarise(
  path: string,
  stateDict: Parameters<typeof matchStateDict>[0],
  otherKeys: readonly string[],
): NetworkSummary {
  try {
    const { branch3Kernel, numClasses, auxLogits } = matchStateDict(stateDict, { path, otherKeys });
    const auxClasses = auxLogits
      ? AUX_HEADS.map(({ name }) => stateDict.get(`${name}.fc2.bias`)?.shape[0] as number)
      : undefined;
    const options = { branch3Kernel, numClasses, auxClasses };
    return {
      path,
      fits: true,
      branch3Kernel,
      numClasses,
      parameters: countParameters(options),
      tree: printTree(options),
    };
  } catch (error) {
    return { path, fits: false, problem: (error as Error).message };
  }
}
