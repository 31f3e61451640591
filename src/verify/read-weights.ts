import { sha256 } from '../base/sha256.js';
import { readCheckpoint, ungzip } from '../checkpoint/read-checkpoint.js';
import { NETWORK } from '../networks/index.js';
import { findNetwork } from '../read-network.js';
import type { Provenance } from '../stored-model/provenance.js';
import type { Weights } from './laboratory.js';

/** The weights of the checkpoint; null without one, or with one that the model was not made of. */
export async function readWeights(
  bytes: Uint8Array | undefined,
  provenance: Provenance | null,
): Promise<Weights | null> {
  if (bytes === undefined || (await otherDigest(bytes, provenance)) !== null) return null;
  const key = provenance === null ? undefined : keyOf(provenance.stateDict);
  return readNetwork(bytes, key);
}

/** A checkpoint that the model was not made of. */
export interface OtherWeights {
  readonly weights: Weights;
  /** Both by their SHA-256. */
  readonly passed: string;
  readonly made: string;
}

/** The weights of a checkpoint that the model was not made of; null of its own, and without a network in it. */
export async function readOtherWeights(
  bytes: Uint8Array | undefined,
  provenance: Provenance | null,
): Promise<OtherWeights | null> {
  const made = provenance?.source?.sha256;
  const passed = bytes && (await otherDigest(bytes, provenance));
  if (!bytes || !made || !passed) return null;
  const weights = await readNetwork(bytes, undefined).catch(() => null);
  return weights && { weights, passed, made };
}

/** The checkpoint's SHA-256, where it is another one than the model was made of by its own account. */
async function otherDigest(
  bytes: Uint8Array,
  provenance: Provenance | null,
): Promise<string | null> {
  const made = provenance?.source?.sha256;
  if (!made) return null;
  const digest = await sha256((await ungzip(bytes)).file);
  return digest === made ? null : (digest ?? '');
}

async function readNetwork(bytes: Uint8Array, key: string | undefined): Promise<Weights> {
  const { file } = await ungzip(bytes);
  const { value } = await readCheckpoint(file);
  const { candidate, match } = findNetwork(value, key);
  return { stateDict: candidate.stateDict, ...NETWORK.variantOf(match) };
}

/**
 * What to say of a checkpoint that the model was not made of, by its own account; null of any other.
 * @param checkpoint as `torch.save` wrote it, gzipped or not
 */
export async function remarkOnCheckpoint(
  checkpoint: Uint8Array,
  provenance: Provenance | null,
): Promise<string | null> {
  const passed = await otherDigest(checkpoint, provenance);
  if (!passed) return null;
  return `the checkpoint (SHA-256 ${passed}) is not the one that the model was made of (${provenance?.source?.sha256}), and the model's weights are not compared with it`;
}

/** What `key` calls the very network that the model was made of, whatever else is beside it. */
function keyOf({ name, prefix }: Provenance['stateDict']): string {
  const last = prefix.slice(0, -1);
  if (last === '' || name === last || name.endsWith(`.${last}`)) return name;
  return name === '.' ? last : `${name}.${last}`;
}
