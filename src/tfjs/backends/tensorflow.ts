import type { KernelBackend } from '@tensorflow/tfjs-core';
import type { BackendAdapter, BackendInfo, StartedBackend, StartOptions } from '../backends.js';
import { activate } from './activate.js';

/**
 * TensorFlow's C library through tfjs-node: `tensorflow` on the processor, `cuda` on an NVIDIA GPU.
 * The two packages are one program, linked with another build of the library; both call their
 * backend `tensorflow`.
 */
export const TENSORFLOW: BackendAdapter = {
  packages: ['@tensorflow/tfjs-node@4.22.0'],
  start: (options) => startTensorFlow('@tensorflow/tfjs-node', options),
};

export const CUDA: BackendAdapter = {
  packages: ['@tensorflow/tfjs-node-gpu@4.22.0'],
  start: async (options) => {
    const tf32 = settleTF32(options.tf32);
    const started = await startTensorFlow('@tensorflow/tfjs-node-gpu', options);
    return onGPU(started, tf32, options);
  },
};

/** What tfjs-node's backend has beside what every backend has. */
interface NodeBackend extends KernelBackend {
  readonly binding: { readonly TF_Version: string };
  /** Whether TensorFlow lists a device other than the processor. */
  readonly isUsingGpuDevice: boolean;
}

/** Each package registers its backend when it is first imported, and only then. */
const factories = new Map<string, () => KernelBackend | Promise<KernelBackend>>();

async function startTensorFlow(name: string, options: StartOptions): Promise<StartedBackend> {
  const core = await import('@tensorflow/tfjs-core');
  bridgeUtil();
  environment().TF_CPP_MIN_LOG_LEVEL ??= '2';
  await withoutWarnings(() => options.importPackage(name));
  const registered = core.findBackendFactory('tensorflow');
  const factory = factories.get(name) ?? registered;
  if (registered === null && factory) core.registerBackend('tensorflow', factory);
  if (factory) factories.set(name, factory);
  await activate('tensorflow');
  const { binding } = core.backend() as NodeBackend;
  const version = await options.packageVersion(name);
  return {
    info: {
      device: 'TensorFlow C library',
      driver: null,
      hardware: 'cpu',
      precision: 'float32',
      versions: {
        '@tensorflow/tfjs-core': core.version_core,
        ...(version === null ? {} : { [name]: version }),
        libtensorflow: binding.TF_Version,
      },
    },
    stop: () => core.removeBackend('tensorflow'),
  };
}

/** @throws Error when the work would fall back on the processor */
async function onGPU(
  { info, stop }: StartedBackend,
  tf32: boolean,
  { nvidiaGPUs }: StartOptions,
): Promise<StartedBackend> {
  const core = await import('@tensorflow/tfjs-core');
  if (!(core.backend() as NodeBackend).isUsingGpuDevice) {
    await stop();
    throw new Error(NO_DEVICE);
  }
  const found = await nvidiaGPUs();
  const gpu: Omit<BackendInfo, 'name'> = {
    ...info,
    device: `${found?.names.join(' and ') || 'CUDA device'}, TF32 ${tf32 ? 'allowed' : 'off'}`,
    driver: found?.driver ?? null,
    hardware: 'gpu',
    precision: tf32 ? 'tf32' : 'float32',
  };
  return { info: gpu, stop };
}

const NO_DEVICE =
  'TensorFlow finds no CUDA device and would compute on the processor; it needs an NVIDIA driver, CUDA 11.2 and cuDNN 8.1, and a process without the backend tensorflow';

/**
 * Forbids TF32 unless it is allowed, before the libraries load that read the variable.
 * @returns whether TF32 will be used, on cards that have it
 */
function settleTF32(allowed: boolean): boolean {
  const env = environment();
  if (!allowed) env.NVIDIA_TF32_OVERRIDE = '0';
  return env.NVIDIA_TF32_OVERRIDE !== '0';
}

/** What this file needs of Node's `process`. */
interface NodeProcess {
  readonly env: Environment;
  getBuiltinModule?(name: string): LegacyUtil | undefined;
}

interface Environment {
  NVIDIA_TF32_OVERRIDE?: string;
  TF_CPP_MIN_LOG_LEVEL?: string;
}

interface LegacyUtil {
  isNullOrUndefined?(value: unknown): boolean;
  isArray?(value: unknown): boolean;
}

function nodeProcess(): NodeProcess | undefined {
  return (globalThis as { readonly process?: NodeProcess }).process;
}

function environment(): Environment {
  return nodeProcess()?.env ?? {};
}

/**
 * tfjs-node 4.22 calls two functions of Node's util whenever it reads a tensor: Node 23 dropped the
 * first, and warns of the second.
 */
function bridgeUtil(): void {
  const util = nodeProcess()?.getBuiltinModule?.('node:util');
  if (util === undefined) return;
  util.isNullOrUndefined ??= (value) => value === null || value === undefined;
  util.isArray = Array.isArray;
}

/** The package brings backends along that are registered already, and warns of each. */
async function withoutWarnings<T>(work: () => Promise<T>): Promise<T> {
  const { warn } = globalThis.console;
  globalThis.console.warn = () => undefined;
  try {
    return await work();
  } finally {
    globalThis.console.warn = warn;
  }
}
