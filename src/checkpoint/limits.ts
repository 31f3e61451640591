import { Pth2tfjsError } from '../errors.js';

/** The most bytes a checkpoint may have or unpack to: twenty times the official file. */
export const MAX_CHECKPOINT_BYTES = 2 ** 30;

/** What any file may unpack to, and how many times its own size; weights hardly compress. */
const SMALL_BYTES = 2 ** 28;
const MAX_RATIO = 64;

/**
 * Checks what compressed data claims to unpack to, or has unpacked to so far.
 * @param packed size of the whole file
 * @throws Pth2tfjsError `limit` beyond 1 GiB, or when a small file claims much.
 */
export function checkUnpackedSize(unpacked: number, packed: number, what: string): void {
  const bound = Math.min(MAX_CHECKPOINT_BYTES, Math.max(SMALL_BYTES, packed * MAX_RATIO));
  if (unpacked <= bound) return;
  throw new Pth2tfjsError(
    'limit',
    `${what} of ${packed} bytes unpacks to ${unpacked} bytes or more; the bound is ${bound}`,
    { hint: 'save the state dict alone, without the optimizer, and uncompressed' },
  );
}
