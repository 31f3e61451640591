import { concatenate } from '../bytes.js';
import { Pth2tfjsError } from '../errors.js';
import { checkSize } from './limits.js';

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
  const chunks: Uint8Array[] = [];
  let total = 0;
  try {
    for await (const chunk of packed.pipeThrough(new DecompressionStream('gzip'))) {
      total += chunk.length;
      checkSize(total, 'the gzip file');
      chunks.push(chunk);
    }
  } catch (error) {
    throw describe(error);
  }
  return concatenate(chunks);
}

function describe(error: unknown): unknown {
  if (error instanceof Pth2tfjsError) return error;
  const { code } = (error as { cause?: { code?: string } }).cause ?? (error as { code?: string });
  const truncated = code === 'Z_BUF_ERROR' || /unexpected end/i.test(String(error));
  return truncated
    ? new Pth2tfjsError('truncated', 'the gzip file ends early', { hint: 'download it again' })
    : new Pth2tfjsError('corrupt', `the gzip file is damaged: ${String(error)}`, { cause: error });
}
