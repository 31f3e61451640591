import type { BackendInfo, Hardware, ImportPackage } from './backend.js';

/** The WebGPU API, as far as it is used here. */
export interface GPU {
  requestAdapter(options?: object): Promise<Adapter | null>;
}

export interface Adapter {
  readonly info: AdapterInfo;
  readonly limits: object;
  requestDevice(descriptor: object): Promise<Device>;
}

export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly isFallbackAdapter?: boolean;
}

export interface Device {
  readonly queue: { onSubmittedWorkDone(): Promise<void> };
  readonly lost: Promise<unknown>;
  destroy(): void;
}

export function currentGPU(): GPU | undefined {
  return (globalThis.navigator as { readonly gpu?: GPU } | undefined)?.gpu;
}

/**
 * Puts Dawn where browsers have WebGPU: `navigator.gpu`, and the classes and flags beside it.
 * `remove` takes all of it away again: while it is there, Dawn's threads keep the process alive.
 */
export async function provideWebGPU(importPackage: ImportPackage): Promise<{ remove(): void }> {
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

/** The adapter that programs get who ask for a fast one; undefined where nobody can tell. */
export async function findAdapter(importPackage: ImportPackage): Promise<Adapter | undefined> {
  if (currentGPU() !== undefined) return requestAdapter();
  const dawn = await provideWebGPU(importPackage).catch(() => undefined);
  try {
    return await requestAdapter();
  } finally {
    dawn?.remove();
  }
}

export async function requestAdapter(): Promise<Adapter | undefined> {
  const adapter = await currentGPU()?.requestAdapter({ powerPreference: 'high-performance' });
  return adapter ?? undefined;
}

/** What an adapter calls itself. */
export function describeAdapter(
  adapter: Pick<Adapter, 'info'> | undefined,
): Pick<BackendInfo, 'device' | 'driver' | 'hardware'> {
  if (adapter === undefined) {
    return { device: 'unknown adapter', driver: null, hardware: 'unknown' };
  }
  const { info } = adapter;
  return {
    device: info.device || `${info.vendor} ${info.architecture}`.trim() || 'unnamed adapter',
    driver: info.description || null,
    hardware: hardwareOf(info),
  };
}

/** The programs that play a GPU, by what they call themselves. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|warp|basic render/i;

/** Whether an adapter is a GPU or a program on the processor. */
export function hardwareOf(info: AdapterInfo): Hardware {
  const words = [info.vendor, info.architecture, info.device, info.description].join(' ');
  return info.isFallbackAdapter || SOFTWARE.test(words) ? 'software-gpu' : 'gpu';
}
