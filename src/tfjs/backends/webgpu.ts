import type { KernelBackend } from '@tensorflow/tfjs-core';
import type { BackendAdapter, Hardware, ImportPackage } from '../backends.js';
import { activate } from './activate.js';

/**
 * WebGPU: any GPU with Vulkan, Metal or Direct3D 12. Browsers bring it along; Node gets it from the
 * package `webgpu`, which is Dawn, Chromium's implementation.
 */
export const WEBGPU: BackendAdapter = {
  packages: ['webgpu', '@tensorflow/tfjs-backend-webgpu@4.22.0'],
  start: async ({ importPackage }) => {
    const dawn = hasWebGPU() ? undefined : await provideWebGPU(importPackage);
    try {
      return await startBackend(importPackage, dawn);
    } catch (error) {
      dawn?.remove();
      throw error;
    }
  },
};

/** What this file needs of the WebGPU API. */
interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly isFallbackAdapter?: boolean;
}

interface GPU {
  requestAdapter(options?: object): Promise<{ readonly info: AdapterInfo } | null>;
}

interface Dawn {
  readonly version: string;
  /** Takes the API away again: while it is there, Dawn's threads keep the process alive. */
  remove(): void;
}

function currentGPU(): GPU | undefined {
  return (globalThis.navigator as { readonly gpu?: GPU } | undefined)?.gpu;
}

function hasWebGPU(): boolean {
  return currentGPU() !== undefined;
}

/** Puts Dawn where browsers have WebGPU: `navigator.gpu`, and the classes and flags beside it. */
async function provideWebGPU(importPackage: ImportPackage): Promise<Dawn> {
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
    version: await versionOf(importPackage, 'webgpu'),
    remove: () => {
      Reflect.deleteProperty(globalThis.navigator, 'gpu');
      if (!hadNavigator) Reflect.deleteProperty(globalThis, 'navigator');
      for (const name of added) Reflect.deleteProperty(globalThis, name);
    },
  };
}

/** A package's version, where it lets its package.json be read. */
async function versionOf(_importPackage: ImportPackage, _name: string): Promise<string> {
  return 'unknown';
}

async function startBackend(importPackage: ImportPackage, dawn: Dawn | undefined) {
  const adapter = await currentGPU()?.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null || adapter === undefined) throw new Error(NO_ADAPTER);
  await importPackage('@tensorflow/tfjs-backend-webgpu');
  const tf = await activate('webgpu');
  const backend = tf.backend() as KernelBackend & {
    device: { adapterInfo?: AdapterInfo; destroy(): void };
  };
  const info = backend.device.adapterInfo ?? adapter.info;
  return {
    info: {
      device: info.device || `${info.vendor} ${info.architecture}`.trim() || 'unnamed adapter',
      driver: info.description || null,
      hardware: hardwareOf(info),
      precision: 'float32' as const,
      versions: {
        '@tensorflow/tfjs-core': tf.version_core,
        '@tensorflow/tfjs-backend-webgpu': tf.version_core,
        ...(dawn === undefined ? {} : { webgpu: dawn.version }),
      },
    },
    stop: () => {
      backend.device.destroy();
      dawn?.remove();
    },
  };
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
