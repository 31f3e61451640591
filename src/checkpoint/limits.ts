import { Pth2tfjsError } from '../errors.js';

/** The most bytes a checkpoint may unpack to: twenty times the official file. */
export const MAX_CHECKPOINT_BYTES = 2 ** 30;

/** @throws Pth2tfjsError `limit` when `bytes` exceeds {@link MAX_CHECKPOINT_BYTES}. */
export function checkSize(bytes: number, what: string): void {
  if (bytes <= MAX_CHECKPOINT_BYTES) return;
  throw new Pth2tfjsError(
    'limit',
    `${what} claims ${bytes} bytes; the bound is ${MAX_CHECKPOINT_BYTES}`,
    {
      hint: 'save the state dict alone, without the optimizer',
    },
  );
}
