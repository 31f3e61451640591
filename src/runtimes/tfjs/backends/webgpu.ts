import type { KernelBackend } from '@tensorflow/tfjs-core';
import {
  type Adapter,
  type AdapterInfo,
  currentGPU,
  type Device,
  describeAdapter,
  provideWebGPU,
  requestAdapter,
} from '../../adapter.js';
import type { BackendAdapter, ImportPackage, StartedBackend } from '../../backend.js';
import { loadTfjs } from '../load.js';
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

/**
 * Registers the backend with a device of our own. The package registers one only when it is first
 * imported, and only once, so that a device that was destroyed would never come back.
 */
async function startBackend(
  importPackage: ImportPackage,
  versions: Readonly<Record<string, string>>,
  removeWebGPU: () => void,
): Promise<StartedBackend> {
  const adapter = await requestAdapter();
  if (adapter === undefined) throw new Error(NO_ADAPTER);
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
      ...describeAdapter(adapter),
      precision: 'float32',
      versions: { '@tensorflow/tfjs-core': core.version_core, ...versions },
    },
    load: loadTfjs,
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
