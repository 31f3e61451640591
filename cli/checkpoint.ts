import type { CheckpointFile } from '../src/checkpoint/checkpoint-file.js';
import { CRC32_OPTION } from './crc32.js';
import { checksums, prepareHashing, sha256 } from './hash-thread.js';
import { readInput } from './input.js';
import { beginReading, type Source } from './source.js';

/** A checkpoint that has been read, for all that a command does with it. */
export interface OpenedSource {
  /** As {@link Source} has it. */
  readonly name: string;
  readonly checkpoint: CheckpointFile;
}

/** Reads a checkpoint by its path, a URL or from stdin. */
export async function readCheckpointFile(location: string, quiet: boolean): Promise<OpenedSource> {
  return openSource(await readInput(location, quiet));
}

/**
 * Begins to read and hash a checkpoint, before it is known what else a command needs: the modules that this
 * takes can be loaded meanwhile. What goes wrong is told to whoever reads it.
 */
export function readAhead(location: string): void {
  prepareHashing();
  beginReading(location).then(
    ({ bytes }) => (isGzip(bytes) ? undefined : sha256(bytes)),
    () => {},
  );
}

/** Its content is what has to be hashed. */
const isGzip = (bytes: Uint8Array) => bytes[0] === 0x1f && bytes[1] === 0x8b;

export async function openSource({ name, bytes }: Source): Promise<OpenedSource> {
  const { CheckpointFile } = await import('../src/checkpoint/checkpoint-file.js');
  return { name, checkpoint: new CheckpointFile(bytes, { ...CRC32_OPTION, checksums, sha256 }) };
}
