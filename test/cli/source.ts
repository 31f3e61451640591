/** What a source holds, and how it fails. */
import { afterEach, expect, vi } from 'vitest';
import { readSource, type SourceOptions } from '../../cli/source.js';
import { Pth2tfjsError } from '../../src/base/errors.js';

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** Bytes that differ from piece to piece, so that a piece in the wrong place shows. */
export function pattern(length: number): Uint8Array {
  const period = Uint8Array.from({ length: 65_537 }, (_, index) => index * 31 + (index >> 8));
  return new Uint8Array(Buffer.alloc(length, period));
}

export async function failureOf(location: string, options?: SourceOptions): Promise<Pth2tfjsError> {
  const error: unknown = await readSource(location, options).then(
    ({ bytes }) => expect.fail(`read ${bytes.length} bytes`),
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(Pth2tfjsError);
  return error as Pth2tfjsError;
}
