import { Pth2tfjsError } from '../base/errors.js';
import type {
  BackendAdapter,
  BackendInfo,
  BackendName,
  BackendOptions,
  ImportPackage,
} from './backend.js';
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
};

/** A backend that is TensorFlow.js's current one, for the whole program, until it is stopped. */
export interface ReadyBackend {
  readonly info: BackendInfo;
  stop(): Promise<void>;
}

/** Hidden from bundlers, which would otherwise want every optional package. */
const importOptional: ImportPackage = (name) =>
  import(/* @vite-ignore */ /* webpackIgnore: true */ name);

/**
 * Makes a backend the current one of TensorFlow.js, for the whole program.
 * @throws Pth2tfjsError `backend` when it is absent, with the command that installs it, or does not
 *   start. It never falls back on another one.
 */
export async function prepareBackend(
  name: BackendName,
  options: BackendOptions = {},
): Promise<ReadyBackend> {
  const unknown = async () => null;
  const {
    tf32 = false,
    importPackage = importOptional,
    packageVersion = unknown,
    nvidiaGPUs = unknown,
  } = options;
  const adapter = BACKENDS[name];
  try {
    const { info, stop } = await adapter.start({
      tf32,
      importPackage,
      packageVersion,
      nvidiaGPUs,
    });
    return { info: { name, ...info }, stop: async () => stop() };
  } catch (error) {
    throw startError(name, adapter.packages, error);
  }
}

function startError(name: BackendName, packages: readonly string[], error: unknown): Pth2tfjsError {
  const missing = packages.find((each) => isMissing(error, each));
  const [message, hint] =
    missing === undefined
      ? [`cannot be used: ${error instanceof Error ? error.message : String(error)}`, undefined]
      : [
          `needs the package ${missing}, which is not installed`,
          `npm install ${packages.join(' ')}`,
        ];
  return new Pth2tfjsError('backend', `the backend ${name} ${message}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Whether an import failed because this very package is absent, and not something inside it. */
function isMissing(error: unknown, spec: string): boolean {
  const name = spec.replace(/(?<=.)@.*$/, '');
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  return /MODULE_NOT_FOUND$/.test(String(code)) && String(message).includes(`'${name}'`);
}
