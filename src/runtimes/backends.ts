import type { BackendAdapter, BackendName, BackendOptions } from './backend.js';
import { ONNX_ADAPTERS } from './onnx/backends.js';
import { FLOAT64 } from './reference/backend.js';
import { type ReadyBackend, startBackend } from './start-backend.js';
import { CPU } from './tfjs/backends/cpu.js';
import { CUDA, TENSORFLOW } from './tfjs/backends/tensorflow.js';
import { WASM } from './tfjs/backends/wasm.js';
import { WEBGPU } from './tfjs/backends/webgpu.js';

/** Each loads when it is first asked for. */
const BACKENDS: Readonly<Record<BackendName, BackendAdapter>> = {
  cuda: CUDA,
  webgpu: WEBGPU,
  tensorflow: TENSORFLOW,
  wasm: WASM,
  cpu: CPU,
  ...ONNX_ADAPTERS,
  float64: FLOAT64,
};

/**
 * Starts a backend by its name.
 * @throws Pth2tfjsError as {@link startBackend} does
 */
export function prepareBackend(
  name: BackendName,
  options: BackendOptions = {},
): Promise<ReadyBackend> {
  return startBackend(name, BACKENDS[name], options);
}
