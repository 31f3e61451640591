import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { inject } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/read-checkpoint.js';
import type { StateDict } from '../../src/checkpoint/tensor/tensor.js';
import { type Conversion, convertCheckpoint } from '../../src/convert.js';
import type { ConvertOptions } from '../../src/convert-options.js';

/** The path of the bundled checkpoint as PyTorch wrote it: the golden folder has it gzipped. */
export const CHECKPOINT = inject('checkpoint');

/** The same checkpoint's bytes. */
export const BUNDLED = readFileSync(CHECKPOINT);

const conversions = new Map<string, Promise<Conversion>>();

/** It converted, once for the same options in a file of tests; what it gives must be left as it is. */
export function convertBundled(options: ConvertOptions): Promise<Conversion> {
  const key = JSON.stringify(Object.entries(options).sort());
  const conversion = conversions.get(key) ?? convertCheckpoint(BUNDLED, { crc32, ...options });
  conversions.set(key, conversion);
  return conversion;
}

let reading: Promise<StateDict> | undefined;

/** Its 364 tensors, as PyTorch saved them, read once in a file of tests; they must be left as they are. */
export function bundledStateDict(): Promise<StateDict> {
  reading ??= readCheckpoint(BUNDLED, { crc32 }).then(({ value }) => value as StateDict);
  return reading;
}

/** Names of the modules in PyTorch that hold a convolution of the main network. */
export async function bundledConvolutions(): Promise<readonly string[]> {
  return [...(await bundledStateDict()).keys()]
    .filter((key) => key.endsWith('.conv.weight') && !key.startsWith('aux'))
    .map((key) => key.replace(/\.conv\.weight$/, ''));
}
