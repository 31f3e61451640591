import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { BackendOptions } from '../../src/runtimes/backend.js';

/**
 * What `cuda` tells and asks for where there is a GPU, with a package that claims one: tfjs-node's
 * own needs a card. What the card computes is not tested here.
 */
class ClaimedGPU extends MathBackendCPU {
  readonly isGPUPackage: boolean = true;
  readonly isUsingGpuDevice: boolean = true;
  readonly binding = { TF_Version: '2.9.1' };
}

class NoGPU extends ClaimedGPU {
  override readonly isUsingGpuDevice = false;
}

const variable = (name: string) => process.env[name];

/** The variable's value when the package, and with it NVIDIA's libraries, was loaded. */
let atImport: string | undefined;

const claim =
  (Backend = ClaimedGPU): NonNullable<BackendOptions['importPackage']> =>
  async (name) => {
    expect(name).toBe('@tensorflow/tfjs-node-gpu');
    atImport = variable('NVIDIA_TF32_OVERRIDE');
    if (tf.findBackendFactory('tensorflow') === null) {
      tf.registerBackend('tensorflow', () => new Backend());
    }
    return { version: { 'tfjs-node': '4.22.0' } };
  };

const CARDS = async () => ({ names: ['NVIDIA H100 PCIe'], driver: 'NVIDIA driver 535.104.05' });

/** Each test has a process of its own, as far as the library can tell. */
async function prepare(options: BackendOptions = {}) {
  const { prepareBackend } = await import('../../src/runtimes/backends.js');
  return prepareBackend('cuda', { importPackage: claim(), nvidiaGPUs: CARDS, ...options });
}

beforeEach(() => {
  vi.resetModules();
  vi.stubEnv('NVIDIA_TF32_OVERRIDE', undefined);
  vi.stubEnv('TF_CPP_MIN_LOG_LEVEL', undefined);
  atImport = undefined;
});

afterEach(() => {
  vi.unstubAllEnvs();
  if (tf.findBackendFactory('tensorflow') !== null) tf.removeBackend('tensorflow');
});

describe('cuda', () => {
  test('turns TF32 off before the library loads, and tells what it runs on', async () => {
    const { info, stop } = await prepare();
    expect(atImport).toBe('0');
    expect(info).toEqual({
      name: 'cuda',
      device: 'NVIDIA H100 PCIe, TF32 off',
      driver: 'NVIDIA driver 535.104.05',
      hardware: 'gpu',
      precision: 'float32',
      versions: {
        '@tensorflow/tfjs-core': tf.version_core,
        '@tensorflow/tfjs-node-gpu': '4.22.0',
        libtensorflow: '2.9.1',
      },
    });
    await stop();
  });

  test('leaves TF32 on when it is allowed, and says so', async () => {
    const { info } = await prepare({ tf32: true });
    expect(atImport).toBeUndefined();
    expect(info).toMatchObject({
      device: 'NVIDIA H100 PCIe, TF32 allowed',
      precision: 'tf32',
    });
  });

  test('says what is true where the environment forbids what is allowed', async () => {
    vi.stubEnv('NVIDIA_TF32_OVERRIDE', '0');
    const { info } = await prepare({ tf32: true });
    expect(info).toMatchObject({ device: 'NVIDIA H100 PCIe, TF32 off', precision: 'float32' });
  });

  test('overrules an environment that allows what is not', async () => {
    vi.stubEnv('NVIDIA_TF32_OVERRIDE', '1');
    const { info } = await prepare();
    expect(atImport).toBe('0');
    expect(info.precision).toBe('float32');
  });

  test('does not claim float32 when the library was loaded with TF32', async () => {
    const { stop } = await prepare({ tf32: true });
    await stop();
    await expect(prepare()).rejects.toThrow(/TF32 can no longer be turned off/);
  });

  test('nor when the program had loaded the package itself', async () => {
    await claim()('@tensorflow/tfjs-node-gpu');
    await expect(prepare()).rejects.toThrow(/TF32 can no longer be turned off/);
    const { info, stop } = await prepare({ tf32: true });
    expect(info.precision).toBe('tf32');
    await stop();
    expect(tf.findBackendFactory('tensorflow')).not.toBeNull();
  });

  // Node gives a worker a copy of the environment, which native libraries do not read.
  test('does not claim float32 in a worker that cannot turn TF32 off', async () => {
    const backends = new URL('../../dist/src/runtimes/backends.js', import.meta.url).href;
    const code = `import('${backends}')
      .then(({ prepareBackend }) => prepareBackend('cuda', { importPackage: async () => ({}) }))
      .catch(({ message }) => require('node:worker_threads').parentPort.postMessage(message))`;
    const told = await once(new Worker(code, { eval: true }), 'message');
    expect(told).toEqual([expect.stringMatching(/TF32 can no longer be turned off/)]);
  });

  test('is not taken for the processor’s package that the program had loaded', async () => {
    class OnProcessor extends NoGPU {
      override readonly isGPUPackage: boolean = false;
    }
    tf.registerBackend('tensorflow', () => new OnProcessor());
    const message = /tfjs-node was loaded before.* in place of that of @tensorflow\/tfjs-node-gpu/;
    await expect(prepare({ tf32: true })).rejects.toThrow(message);
    expect(tf.findBackendFactory('tensorflow')).not.toBeNull();
  });

  test('is refused without a GPU, and leaves nothing behind', async () => {
    const failure = prepare({ importPackage: claim(NoGPU) });
    await expect(failure).rejects.toThrow(
      /finds no CUDA device and would compute on the processor/,
    );
    expect(tf.findBackendFactory('tensorflow')).toBeNull();
  });

  test('passes on why its package does not load', async () => {
    const importPackage = () => Promise.reject(new Error('libcudart.so.11.0: cannot open'));
    await expect(prepare({ importPackage })).rejects.toThrow(/libcudart.so.11.0: cannot open/);
  });

  test.each([
    { names: ['NVIDIA L4', 'NVIDIA L4'], device: 'NVIDIA L4, TF32 off' },
    { names: ['NVIDIA L4', 'NVIDIA T4'], device: 'one of NVIDIA L4, NVIDIA T4, TF32 off' },
    { names: [], device: 'CUDA device, TF32 off' },
  ])('names the card only where it is known: $names', async ({ names, device }) => {
    const { info } = await prepare({ nvidiaGPUs: async () => ({ names, driver: null }) });
    expect(info).toMatchObject({ device, driver: null });
  });
});

describe('what tfjs-node wants of Node', () => {
  const util = process.getBuiltinModule('node:util') as unknown as Record<string, unknown>;
  const NAMES = ['isNullOrUndefined', 'isArray'];
  const descriptors = () => NAMES.map((name) => Object.getOwnPropertyDescriptor(util, name));

  test('is there while the backend runs, without warnings, and put back after it', async () => {
    const warn = vi.spyOn(process, 'emitWarning');
    const { isNullOrUndefined } = util;
    Reflect.deleteProperty(util, 'isNullOrUndefined'); // as in Node 23
    try {
      const before = descriptors();
      const { stop } = await prepare();
      const call = (name: string, value: unknown) => (util[name] as (v: unknown) => unknown)(value);
      const values = [null, undefined, 0, '', []];
      const isNothing = [true, true, false, false, false];
      const isArray = [false, false, false, false, true];
      expect(values.map((value) => call('isNullOrUndefined', value))).toEqual(isNothing);
      expect(values.map((value) => call('isArray', value))).toEqual(isArray);
      await stop();
      expect(descriptors()).toEqual(before);
      expect(warn).not.toHaveBeenCalled();
    } finally {
      if (isNullOrUndefined !== undefined) Object.assign(util, { isNullOrUndefined });
      warn.mockRestore();
    }
  });

  test.each([
    [undefined, '2'],
    ['0', '0'],
  ])('a log level of %s becomes %s', async (found, used) => {
    vi.stubEnv('TF_CPP_MIN_LOG_LEVEL', found);
    await prepare();
    expect(variable('TF_CPP_MIN_LOG_LEVEL')).toBe(used);
  });
});
