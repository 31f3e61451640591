import { type CheckpointSource, openCheckpoint } from '../checkpoint/checkpoint-file.js';
import { variantOf } from '../network/network.js';
import { NETWORK } from '../networks/index.js';
import { findNetwork } from '../read-network.js';
import type { Provenance } from '../stored-model/provenance.js';
import type { Weights } from './laboratory.js';

/** The weights of the checkpoint; null without one, or with one that the model was not made of. */
export async function readWeights(
  checkpoint: CheckpointSource | undefined,
  provenance: Provenance | null,
): Promise<Weights | null> {
  if (checkpoint === undefined || (await otherDigest(checkpoint, provenance)) !== null) return null;
  const key = provenance === null ? undefined : keyOf(provenance.stateDict);
  return readNetwork(checkpoint, key);
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
  checkpoint: CheckpointSource | undefined,
  provenance: Provenance | null,
): Promise<OtherWeights | null> {
  const made = provenance?.source?.sha256;
  const passed = checkpoint && (await otherDigest(checkpoint, provenance));
  if (!checkpoint || !made || !passed) return null;
  const weights = await readNetwork(checkpoint, undefined).catch(() => null);
  return weights && { weights, passed, made };
}

/** The checkpoint's SHA-256, where it is another one than the model was made of by its own account. */
async function otherDigest(
  checkpoint: CheckpointSource,
  provenance: Provenance | null,
): Promise<string | null> {
  const made = provenance?.source?.sha256;
  if (!made) return null;
  const digest = await openCheckpoint(checkpoint).sha256();
  return digest === made ? null : (digest ?? '');
}

async function readNetwork(
  checkpoint: CheckpointSource,
  key: string | undefined,
): Promise<Weights> {
  const { value } = await openCheckpoint(checkpoint).read();
  const { candidate, match } = findNetwork(value, key);
  return { stateDict: candidate.stateDict, ...variantOf(NETWORK, match) };
}

/**
 * What to say of a checkpoint that the model was not made of, by its own account; null of any other.
 * @param checkpoint as `torch.save` wrote it, gzipped or not
 */
export async function remarkOnCheckpoint(
  checkpoint: CheckpointSource,
  provenance: Provenance | null,
): Promise<string | null> {
  const passed = await otherDigest(checkpoint, provenance);
  if (!passed) return null;
  return `the checkpoint (SHA-256 ${passed}) is not the one that the model was made of (${provenance?.source?.sha256}), and the model's weights are not compared with it`;
}

/** What `key` calls the very network that the model was made of, whatever else is beside it. */
export function keyOf({ name, prefix }: Provenance['stateDict']): string {
  const last = prefix.slice(0, -1);
  if (last === '' || name === last || name.endsWith(`.${last}`)) return name;
  return name === '.' ? last : `${name}.${last}`;
}
