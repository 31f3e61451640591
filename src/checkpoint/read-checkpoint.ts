import { Pth2tfjsError } from '../base/errors.js';
import { checkUnpackedSize } from '../base/limits.js';
import type { Sha256 } from '../base/sha256.js';
import type { Checkpoint } from './container/container.js';
import type { Checksums, Crc32 } from './container/crc32.js';
import { gunzip } from './container/gzip.js';
import { readZip } from './container/read-archive.js';
import { readLegacy } from './container/read-legacy.js';
import { readSafetensors } from './container/read-safetensors.js';
import { sniffContainer } from './container/sniff.js';

export type { Checkpoint, Container } from './container/container.js';

export interface ReadOptions {
  /** A faster CRC-32, such as Node's `zlib.crc32`. */
  readonly crc32?: Crc32 | undefined;
  /** What computes it of all entries of an archive, while these are being read; default {@link crc32}. */
  readonly checksums?: Checksums | undefined;
  /** A faster SHA-256 than Web Crypto's, which has to copy the file. */
  readonly sha256?: Sha256 | undefined;
}

/**
 * Reads what `torch.save` wrote, a zip archive (torch >= 1.6) or a legacy stream, or a safetensors file;
 * gzipped or not. Nothing in the file is executed. The tensors keep views of `bytes`, which must not
 * change later.
 *
 * @throws Pth2tfjsError with the code `empty`, `truncated`, `corrupt`, `unsupported-format`,
 *   `unsupported`, `unsafe-global` or `limit`.
 */
export async function readCheckpoint(
  bytes: Uint8Array,
  options: ReadOptions = {},
): Promise<Checkpoint> {
  return readUngzipped(await ungzip(bytes), options);
}

/**
 * The same, once the gzip layer is off.
 * @throws Pth2tfjsError as {@link readCheckpoint} does
 */
export async function readUngzipped(
  { container, file, gzip }: UngzippedFile,
  options: ReadOptions = {},
): Promise<Checkpoint> {
  checkUnpackedSize(file.length, file.length, 'the file');
  const read = await readContainer(file, container, options);
  return { ...read, container: { ...read.container, gzip } };
}

function readContainer(
  file: Uint8Array,
  container: UngzippedFile['container'],
  options: ReadOptions,
): Checkpoint | Promise<Checkpoint> {
  if (container === 'zip') return readZip(file, options);
  return container === 'legacy' ? readLegacy(file) : readSafetensors(file);
}

/** The bytes of a container, and what it is. */
export interface UngzippedFile {
  readonly file: Uint8Array;
  readonly container: Checkpoint['container']['format'];
  /** Whether a gzip layer was taken off. */
  readonly gzip: boolean;
}

/**
 * Takes off the gzip layer, if there is one.
 * @throws Pth2tfjsError as {@link gunzip} and {@link sniffContainer} do.
 */
export async function ungzip(input: Uint8Array): Promise<UngzippedFile> {
  // A plain view: the methods of Node's Buffer differ, slice() does not copy for one.
  const bytes = new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  const container = sniffContainer(bytes);
  if (container !== 'gzip') return { file: bytes, container, gzip: false };
  const file = await gunzip(bytes);
  const inner = sniffContainer(file);
  if (inner === 'gzip') {
    throw new Pth2tfjsError('unsupported-format', 'the file is gzipped twice', {
      hint: 'unpack it once: gunzip FILE',
    });
  }
  return { file, container: inner, gzip: true };
}
