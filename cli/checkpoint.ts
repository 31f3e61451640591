import type { CheckpointFile } from '../src/checkpoint/checkpoint-file.js';
import { CRC32_OPTION } from './crc32.js';
import { readInput } from './input.js';
import type { Source } from './source.js';

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

export async function openSource({ name, bytes }: Source): Promise<OpenedSource> {
  const { CheckpointFile } = await import('../src/checkpoint/checkpoint-file.js');
  return { name, checkpoint: new CheckpointFile(bytes, CRC32_OPTION) };
}
