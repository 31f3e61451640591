import type { Golden } from '../src/verify/golden.js';
import { CRC32_OPTION } from './crc32.js';
import { inFile, readInput } from './input.js';

/** Reads a golden file by path or URL, with its name in what goes wrong. */
export async function readGoldenFile(location: string, quiet: boolean): Promise<Golden> {
  const { readGolden } = await import('../src/verify/golden.js');
  const { bytes } = await readInput(location, quiet);
  return inFile(location, () => readGolden(bytes, CRC32_OPTION));
}
