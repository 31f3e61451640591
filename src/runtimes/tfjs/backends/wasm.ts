import type { BackendAdapter } from '../../backend.js';
import { loadTfjs } from '../load.js';
import { activate } from './activate.js';

/** WebAssembly on the processor: part of every installation, and the default. */
export const WASM: BackendAdapter = {
  packages: [],
  start: async () => {
    const { getThreadsCount, version_wasm } = await import('@tensorflow/tfjs-backend-wasm');
    const tf = await activate('wasm');
    const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
    const threads = (await tf.env().getAsync('WASM_HAS_MULTITHREAD_SUPPORT'))
      ? getThreadsCount()
      : 1;
    return {
      info: {
        device: `WebAssembly${simd ? ', SIMD' : ''}, ${threads} thread${threads === 1 ? '' : 's'}`,
        driver: null,
        hardware: 'cpu',
        precision: 'float32',
        versions: {
          '@tensorflow/tfjs-core': tf.version_core,
          '@tensorflow/tfjs-backend-wasm': version_wasm,
        },
      },
      load: loadTfjs,
      stop: () => undefined,
    };
  },
};
