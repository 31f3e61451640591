/** What the tests of the app API share in Node and in browsers. */
import { expect, inject } from 'vitest';
import type { NamedBytes } from '../../src/index.js';
import { WASM_FILES } from './wasm-files.js';

/** The bound of `verify`; its reason stands in src/verify/tolerance.ts. */
const BOUND = 5e-5;

const IN_BROWSER = typeof document !== 'undefined';

/** Registers every backend that the place may have, as an app does; none is chosen by this. */
export async function registerBackends(): Promise<void> {
  const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
  if (IN_BROWSER) setWasmPaths(WASM_FILES);
  await import('@tensorflow/tfjs-backend-cpu');
  await import('@tensorflow/tfjs-backend-webgl');
  await import('@tensorflow/tfjs-backend-webgpu');
}

/** A file of the server in app-server.ts. */
export const urlOf = (path: string): string => `${inject('base')}/${path}`;

export async function fetchText(path: string): Promise<string> {
  return new TextDecoder().decode(await fetchBytes(path));
}

export async function fetchBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(urlOf(path));
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** A converted model's files, as an app may have them. */
export async function fetchModel(variant: string): Promise<readonly NamedBytes[]> {
  const bytes = await fetchBytes(`${variant}/model.json`);
  const { weightsManifest } = JSON.parse(new TextDecoder().decode(bytes));
  const shards = weightsManifest[0].paths.map(async (name: string) => {
    return { name, bytes: await fetchBytes(`${variant}/${name}`) };
  });
  return [{ name: 'model.json', bytes }, ...(await Promise.all(shards))];
}

export function expectClose(actual: Float32Array, expected: Float32Array): void {
  expect(actual).toHaveLength(expected.length);
  const square = (sum: number, value: number) => sum + value ** 2;
  const difference = actual.map((value, i) => value - (expected[i] as number));
  const error = Math.sqrt(difference.reduce(square, 0) / expected.reduce(square, 0));
  expect(error).toBeLessThan(BOUND);
}
