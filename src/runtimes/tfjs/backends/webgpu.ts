import type { KernelBackend } from '@tensorflow/tfjs-core';
import type { BackendAdapter, Hardware, ImportPackage, StartedBackend } from '../../backend.js';
import { activate } from './activate.js';

const TFJS_BACKEND = '@tensorflow/tfjs-backend-webgpu';

/**
 * WebGPU: any GPU with Vulkan, Metal or Direct3D 12. Browsers bring it along; Node gets it from the
 * package `webgpu`, which is Dawn, Chromium's implementation.
 */
export const WEBGPU: BackendAdapter = {
  packages: ['webgpu', `${TFJS_BACKEND}@4.22.0`],
  start: async ({ importPackage, packageVersion }) => {
    const ownWebGPU = currentGPU() !== undefined;
    const dawn = ownWebGPU ? undefined : await provideWebGPU(importPackage);
    const packages = ownWebGPU ? [TFJS_BACKEND] : ['webgpu', TFJS_BACKEND];
    const versions: Record<string, string> = {};
    for (const name of packages) {
      const version = await packageVersion(name);
      if (version !== null) versions[name] = version;
    }
    try {
      return await startBackend(importPackage, versions, () => dawn?.remove());
    } catch (error) {
      dawn?.remove();
      throw error;
    }
  },
};

/** What this file needs of the WebGPU API. */
interface GPU {
  requestAdapter(options?: object): Promise<Adapter | null>;
}

interface Adapter {
  readonly info: AdapterInfo;
  readonly limits: object;
  requestDevice(descriptor: object): Promise<Device>;
}

interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly isFallbackAdapter?: boolean;
}

interface Device {
  readonly queue: { onSubmittedWorkDone(): Promise<void> };
  readonly lost: Promise<unknown>;
  destroy(): void;
}

function currentGPU(): GPU | undefined {
  return (globalThis.navigator as { readonly gpu?: GPU } | undefined)?.gpu;
}

/**
 * Puts Dawn where browsers have WebGPU: `navigator.gpu`, and the classes and flags beside it.
 * `remove` takes all of it away again: while it is there, Dawn's threads keep the process alive.
 */
async function provideWebGPU(importPackage: ImportPackage): Promise<{ remove(): void }> {
  const { create, globals } = (await importPackage('webgpu')) as {
    create(options: string[]): GPU;
    globals: Readonly<Record<string, unknown>>;
  };
  const added = Object.keys(globals).filter((name) => !(name in globalThis));
  for (const name of added) Reflect.set(globalThis, name, globals[name]);
  const hadNavigator = 'navigator' in globalThis;
  if (!hadNavigator) Reflect.set(globalThis, 'navigator', {});
  Object.defineProperty(globalThis.navigator, 'gpu', { value: create([]), configurable: true });
  return {
    remove: () => {
      Reflect.deleteProperty(globalThis.navigator, 'gpu');
      if (!hadNavigator) Reflect.deleteProperty(globalThis, 'navigator');
      for (const name of added) Reflect.deleteProperty(globalThis, name);
    },
  };
}

/**
 * Registers the backend with a device of our own. The package registers one only when it is first
 * imported, and only once, so that a device that was destroyed would never come back.
 */
async function startBackend(
  importPackage: ImportPackage,
  versions: Readonly<Record<string, string>>,
  removeWebGPU: () => void,
): Promise<StartedBackend> {
  const adapter = await currentGPU()?.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null || adapter === undefined) throw new Error(NO_ADAPTER);
  const { WebGPUBackend } = (await importPackage(TFJS_BACKEND)) as {
    WebGPUBackend: new (device: Device, info: AdapterInfo) => KernelBackend;
  };
  const { info } = adapter;
  const device = await adapter.requestDevice({ requiredLimits: largestLimits(adapter) });
  const core = await import('@tensorflow/tfjs-core');
  if (core.findBackendFactory('webgpu') !== null) core.removeBackend('webgpu');
  core.registerBackend('webgpu', () => new WebGPUBackend(device, info));
  await activate('webgpu');
  return {
    info: {
      device: info.device || `${info.vendor} ${info.architecture}`.trim() || 'unnamed adapter',
      driver: info.description || null,
      hardware: hardwareOf(info),
      precision: 'float32',
      versions: { '@tensorflow/tfjs-core': core.version_core, ...versions },
    },
    stop: async () => {
      await device.queue.onSubmittedWorkDone();
      core.removeBackend('webgpu');
      device.destroy();
      await device.lost;
      removeWebGPU();
    },
  };
}

/** WebGPU grants its defaults unless more is asked for, and the backend's kernels want more. */
function largestLimits({ limits }: Adapter): Record<string, number> {
  const wanted = [
    'maxComputeWorkgroupStorageSize',
    'maxComputeWorkgroupsPerDimension',
    'maxStorageBufferBindingSize',
    'maxBufferSize',
    'maxComputeWorkgroupSizeX',
    'maxComputeInvocationsPerWorkgroup',
  ];
  return Object.fromEntries(wanted.map((name) => [name, Reflect.get(limits, name) as number]));
}

const NO_ADAPTER =
  'it finds no GPU; install the driver of yours (on Linux its Vulkan driver, and libvulkan1)';

/** The programs that play a GPU, by what they call themselves. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|warp|basic render/i;

/** Whether an adapter is a GPU or a program on the processor. */
export function hardwareOf(info: AdapterInfo): Hardware {
  const words = [info.vendor, info.architecture, info.device, info.description].join(' ');
  return info.isFallbackAdapter || SOFTWARE.test(words) ? 'software-gpu' : 'gpu';
}
