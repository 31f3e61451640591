import type { Golden } from '../src/verify/golden.js';
import type { ConvertArguments } from './commands/convert-options.js';
import { CRC32_OPTION } from './crc32.js';
import { inFile, readInput, usageError } from './input.js';

/** Reads a golden file by path or URL, with its name in what goes wrong. */
export async function readGoldenFile(location: string, quiet: boolean): Promise<Golden> {
  const { readGolden } = await import('../src/verify/golden.js');
  const { bytes } = await readInput(location, quiet);
  return inFile(location, () => readGolden(bytes, CRC32_OPTION));
}

/** Options that say how to compare, where there is nothing to compare with. */
export function refuseWithoutGolden(args: ConvertArguments): void {
  if (args.golden !== undefined) return;
  const odd = args.allowOtherCheckpoint
    ? 'allow-other-checkpoint'
    : !args.diagnose && 'no-diagnose';
  if (odd) throw usageError(`--${odd} goes with --golden`);
}
