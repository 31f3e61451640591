import { readCheckpoint, ungzip } from '../checkpoint/index.js';
import { selectStateDict } from '../checkpoint/state-dict.js';
import { matchStateDict, NETWORK_KEYS } from '../googlenet/mapping.js';
import type { Provenance } from '../provenance.js';
import { sha256 } from '../sha256.js';
import type { Weights } from './laboratory.js';

/** The weights of the checkpoint; null without one, or with one that the model was not made of. */
export async function readWeights(
  bytes: Uint8Array | undefined,
  provenance: Provenance | null,
): Promise<Weights | null> {
  if (bytes === undefined) return null;
  const { file } = await ungzip(bytes);
  const made = provenance?.source?.sha256;
  if (made && made !== (await sha256(file))) return null;
  const { value } = await readCheckpoint(file);
  const name = provenance?.stateDict.name;
  const key = name === undefined || name === '.' ? undefined : name;
  const candidate = selectStateDict(value, { key, networkKeys: NETWORK_KEYS });
  const { branch3Kernel } = matchStateDict(candidate.stateDict, candidate);
  return { stateDict: candidate.stateDict, branch3Kernel };
}
