import { readCheckpoint, ungzip } from '../checkpoint/index.js';
import { selectStateDict } from '../checkpoint/state-dict.js';
import { NETWORK } from '../networks/index.js';
import { matchStateDict, NETWORK_KEYS } from '../networks/match.js';
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
  const key = provenance === null ? undefined : keyOf(provenance.stateDict);
  const candidate = selectStateDict(value, { key, networkKeys: NETWORK_KEYS });
  const match = matchStateDict(candidate.stateDict, candidate);
  return { stateDict: candidate.stateDict, ...NETWORK.variantOf(match) };
}

/** What `key` calls the very network that the model was made of, whatever else is beside it. */
function keyOf({ name, prefix }: Provenance['stateDict']): string {
  const last = prefix.slice(0, -1);
  if (last === '' || name === last || name.endsWith(`.${last}`)) return name;
  return name === '.' ? last : `${name}.${last}`;
}
