import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCheckpoint } from '../../src/checkpoint/index.js';
import type { StateDict } from '../../src/checkpoint/tensor.js';
import { GOLDEN } from './cli.js';

/** The bundled checkpoint, gzipped, as it lies in the golden folder. */
export const BUNDLED = readFileSync(join(GOLDEN, 'googlenet.pth.gz'));

/** Its 364 tensors, as PyTorch saved them. */
export async function bundledStateDict(): Promise<StateDict> {
  return (await readCheckpoint(BUNDLED)).value as StateDict;
}

/** Names of the modules in PyTorch that hold a convolution of the main network. */
export async function bundledConvolutions(): Promise<readonly string[]> {
  return [...(await bundledStateDict()).keys()]
    .filter((key) => key.endsWith('.conv.weight') && !key.startsWith('aux'))
    .map((key) => key.replace(/\.conv\.weight$/, ''));
}
