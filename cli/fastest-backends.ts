import type { BackendName } from '../src/runtimes/backend.js';
import { packageVersion } from './import-package.js';

/** Backends that compute in float32 on the processor, fastest first, and the package that each needs. */
const FASTEST: readonly (readonly [name: BackendName, packageName: string | null])[] = [
  ['onnx', 'onnxruntime-node'],
  ['tensorflow', '@tensorflow/tfjs-node'],
  ['wasm', null],
];

/** Those of them that are installed. */
export async function fastestBackends(): Promise<readonly BackendName[]> {
  const installed: BackendName[] = [];
  for (const [name, packageName] of FASTEST) {
    if (packageName === null || (await packageVersion(packageName)) !== null) installed.push(name);
  }
  return installed;
}
