/** The bundled checkpoint as safetensors, and what the tests of the format do with such files. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect } from 'vitest';
import { readCheckpoint, type StateDict } from '../../src/checkpoint/index.js';
import { BUNDLED } from '../helpers/bundled.js';
import { GOLDEN, pth2tfjs, temporaryFolder } from '../helpers/cli.js';
import { sha256 } from '../helpers/digest.js';

export const folder = temporaryFolder();
export const recorded = join(GOLDEN, 'safetensors');
export const checkpoint = join(GOLDEN, 'googlenet.pth.gz');
export const golden = (name: string) => join(GOLDEN, `googlenet.${name}golden.pth.gz`);
export const flat = join(folder, 'googlenet.safetensors');
export const original = BUNDLED;

export const read = (path: string) => new Uint8Array(readFileSync(path));
export const tensorsOf = async (bytes: Uint8Array) =>
  (await readCheckpoint(bytes)).value as StateDict;

export function expectSameFiles(a: string, b: string): void {
  expect(sha256(read(a))).toBe(sha256(read(b)));
}

/** Header and data of a file taken apart, and put together again with another header. */
export function withHeader(file: Uint8Array, edit: (header: string) => string): Uint8Array {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const text = new TextDecoder().decode(file.subarray(8, 8 + length));
  const header = new TextEncoder().encode(edit(text));
  const size = new Uint8Array(BigUint64Array.of(BigInt(header.length)).buffer);
  return Buffer.concat([size, header, file.subarray(8 + length)]);
}

beforeAll(async () => {
  const run = await pth2tfjs('convert', checkpoint, flat);
  expect(run).toMatchObject({ status: 0, stderr: '' });
  expect(run.stdout).toMatch(/^container +zip version 3, pickle protocol 2, little-endian$/m);
  expect(run.stdout).toMatch(/^transform_input +unknown, for a state dict does not record it;/m);
  expect(run.stdout).toMatch(/^written +.*googlenet\.safetensors: 364 tensors, 52\.1 MB, in/m);
});
