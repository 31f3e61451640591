import { Pth2tfjsError } from './errors.js';

/** The most bytes a checkpoint may have or unpack to: twenty times the official file. */
export const MAX_CHECKPOINT_BYTES = 2 ** 30;

/** What any file may unpack to, and how many times its own size; weights hardly compress. */
const SMALL_BYTES = 2 ** 28;
const MAX_RATIO = 64;

/**
 * How many times the bytes that they share tensors may take, each laid out for itself: tied weights and
 * averages share a storage two or three times.
 */
const MAX_SHARING = 4;

/**
 * Checks what tensors take that are laid out one after the other. They may share storages, and a stride
 * of 0 makes many elements out of one.
 * @param unfolded bytes of all of them, as float32 or wider
 * @param stored bytes of the storages that they look into, likewise
 * @throws Pth2tfjsError `limit` beyond what is stored, where that is more than 256 MiB and four times what
 *   is stored, or more than 1 GiB
 */
export function checkUnfoldedSize(unfolded: number, stored: number): void {
  const shared = Math.min(MAX_CHECKPOINT_BYTES, Math.max(SMALL_BYTES, stored * MAX_SHARING));
  const bound = Math.max(stored, shared);
  if (unfolded <= bound) return;
  throw new Pth2tfjsError(
    'limit',
    `the tensors take ${unfolded} bytes, and look into ${stored} bytes of storage; the bound is ${bound}`,
    {
      hint: 'save tensors of their own, such as tensor.clone() gives, not expanded or shared ones',
    },
  );
}

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
