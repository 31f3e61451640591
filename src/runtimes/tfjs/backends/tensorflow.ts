import type { KernelBackend } from '@tensorflow/tfjs-core';
import type {
  BackendAdapter,
  BackendInfo,
  NvidiaGPUs,
  StartedBackend,
  StartOptions,
} from '../../backend.js';
import { bridgeUtil, forbidTF32, isTF32Forbidden, quietLibrary } from '../../node-host.js';
import { loadTfjs } from '../load.js';
import { activate } from './activate.js';

const CPU_PACKAGE = '@tensorflow/tfjs-node';
const GPU_PACKAGE = '@tensorflow/tfjs-node-gpu';

/**
 * TensorFlow's C library through tfjs-node: `tensorflow` on the processor, `cuda` on an NVIDIA GPU.
 * The two packages are one program, linked with another build of the library; both call their
 * backend `tensorflow`.
 */
export const TENSORFLOW: BackendAdapter = {
  packages: [`${CPU_PACKAGE}@4.22.0`],
  start: (options) => startTensorFlow(CPU_PACKAGE, options),
};

/** Fails where TensorFlow finds no GPU: it would quietly compute on the processor. */
export const CUDA: BackendAdapter = {
  packages: [`${GPU_PACKAGE}@4.22.0`],
  start: (options) => startTensorFlow(GPU_PACKAGE, options),
};

type Core = typeof import('@tensorflow/tfjs-core');

/** What tfjs-node's backend has beside what every backend has. */
interface NodeBackend extends KernelBackend {
  readonly binding: { readonly TF_Version: string };
  readonly isGPUPackage: boolean;
  /** Whether TensorFlow lists a GPU among its devices, and so computes on it. */
  readonly isUsingGpuDevice: boolean;
}

/** What tfjs-node exports, as far as it is read here. */
interface NodePackage {
  readonly default?: NodePackage;
  readonly version?: Readonly<Record<string, string>>;
}

/**
 * The package whose library this process holds: no library is ever unloaded. A package registers its
 * backend when it is first imported, and only then, so the factory is kept for the next start.
 */
let loaded: { readonly name: string; readonly factory: () => KernelBackend } | undefined;

async function startTensorFlow(name: string, options: StartOptions): Promise<StartedBackend> {
  if (loaded !== undefined && loaded.name !== name) throw occupied(loaded.name, name);
  const core = await import('@tensorflow/tfjs-core');
  // Who registered it before us goes on using it.
  const isOurs = core.findBackendFactory('tensorflow') === null;
  if (name === GPU_PACKAGE && !options.tf32) forbidTF32(loaded === undefined && isOurs);
  quietLibrary();
  const restoreUtil = bridgeUtil();
  const stop = () => {
    if (isOurs && core.findBackendFactory('tensorflow') !== null) core.removeBackend('tensorflow');
    restoreUtil();
  };
  try {
    const version = await register(core, name, options);
    const backend = await activateOwn(name);
    const info = await describe(core, name, version, backend, options.nvidiaGPUs);
    return { info, load: loadTfjs, stop };
  } catch (error) {
    stop();
    throw error;
  }
}

/** @returns the package's version, where it tells */
async function register(
  core: Core,
  name: string,
  { importPackage }: StartOptions,
): Promise<string | undefined> {
  const found = (await withoutWarnings(core, () => importPackage(name))) as NodePackage;
  if (loaded !== undefined && core.findBackendFactory('tensorflow') === null) {
    core.registerBackend('tensorflow', loaded.factory);
  }
  return (found.default ?? found).version?.['tfjs-node'];
}

async function activateOwn(name: string): Promise<NodeBackend> {
  const core = await activate('tensorflow');
  const backend = core.backend() as NodeBackend;
  const registered = backend.isGPUPackage ? GPU_PACKAGE : CPU_PACKAGE;
  const factory = core.findBackendFactory('tensorflow') as () => KernelBackend;
  loaded ??= { name: registered, factory };
  if (registered !== name) throw occupied(registered, name);
  return backend;
}

/**
 * The dynamic loader knows the libraries of both packages by one name: it would hand the one that
 * lies in memory to the other package, too, which would then compute elsewhere than it says.
 */
function occupied(first: string, second: string): Error {
  return new Error(
    `${first} was loaded before, and its TensorFlow library would compute in place of that of ${second}; use one of the two in a process`,
  );
}

async function describe(
  core: Core,
  name: string,
  version: string | undefined,
  { binding, isUsingGpuDevice }: NodeBackend,
  nvidiaGPUs: NvidiaGPUs,
): Promise<Omit<BackendInfo, 'name'>> {
  if (name === GPU_PACKAGE && !isUsingGpuDevice) throw new Error(NO_DEVICE);
  const versions = {
    '@tensorflow/tfjs-core': core.version_core,
    ...(version === undefined ? {} : { [name]: version }),
    libtensorflow: binding.TF_Version,
  };
  if (!isUsingGpuDevice) {
    const device = 'TensorFlow C library';
    return { device, driver: null, hardware: 'cpu', precision: 'float32', versions };
  }
  const found = await nvidiaGPUs();
  const forbidden = isTF32Forbidden();
  return {
    device: `${nameOf(found?.names ?? [])}, TF32 ${forbidden ? 'off' : 'allowed'}`,
    driver: found?.driver ?? null,
    hardware: 'gpu',
    precision: forbidden ? 'float32' : 'tf32',
    versions,
  };
}

/** TensorFlow takes one of the machine's GPUs, and tfjs-node does not tell which. */
function nameOf(gpus: readonly string[]): string {
  const kinds = [...new Set(gpus)];
  if (kinds.length > 1) return `one of ${kinds.join(', ')}`;
  return kinds[0] ?? 'CUDA device';
}

const NO_DEVICE =
  'TensorFlow finds no CUDA device and would compute on the processor; it needs an NVIDIA GPU and its driver, CUDA 11.2 and cuDNN 8.1';

/** The package brings TensorFlow.js along once more, which warns of each kernel that is there already. */
async function withoutWarnings<T>({ env }: Core, work: () => Promise<T>): Promise<T> {
  const before = env().getBool('PROD');
  env().set('PROD', true);
  try {
    return await work();
  } finally {
    env().set('PROD', before);
  }
}
