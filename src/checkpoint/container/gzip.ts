import { Pth2tfjsError } from '../../base/errors.js';
import { checkUnpackedSize } from '../../base/limits.js';

/** Smallest gzip member: a 10-byte header, an empty block, an 8-byte trailer (RFC 1952). */
const MIN_GZIP_BYTES = 20;

/**
 * Unpacks a .gz file, checking its CRC-32 on the way.
 * @throws Pth2tfjsError `truncated`, `corrupt`, or `limit` as soon as too much has come out.
 */
export async function gunzip(bytes: Uint8Array): Promise<Uint8Array> {
  if (bytes.length < MIN_GZIP_BYTES)
    throw new Pth2tfjsError('truncated', 'the gzip file ends early');
  const packed = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
  let out = new Uint8Array(promisedSize(bytes));
  let size = 0;
  try {
    for await (const chunk of packed.pipeThrough(new DecompressionStream('gzip'))) {
      checkUnpackedSize(size + chunk.length, bytes.length, 'the gzip file');
      if (size + chunk.length > out.length) out = grow(out, size + chunk.length);
      out.set(chunk, size);
      size += chunk.length;
    }
  } catch (error) {
    throw describe(error);
  }
  return out.subarray(0, size);
}

/**
 * The trailer's size, modulo 2^32 and of the last member only, so no more than a hint; a file cut
 * short ends in anything, hence the modest bound on what is taken on its word.
 */
function promisedSize(bytes: Uint8Array): number {
  const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 4, true);
  return Math.min(size, bytes.length * 20);
}

function grow(bytes: Uint8Array, needed: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(needed, bytes.length * 2));
  larger.set(bytes);
  return larger;
}

function describe(error: unknown): unknown {
  if (error instanceof Pth2tfjsError) return error;
  const { code } = (error as { cause?: { code?: string } }).cause ?? (error as { code?: string });
  const truncated = code === 'Z_BUF_ERROR' || /unexpected end/i.test(String(error));
  return truncated
    ? new Pth2tfjsError('truncated', 'the gzip file ends early', { hint: 'download it again' })
    : new Pth2tfjsError('corrupt', `the gzip file is damaged: ${String(error)}`, { cause: error });
}
