import type { BackendAdapter } from '../../backend.js';
import { loadTfjs } from '../load.js';
import { activate } from './activate.js';

/** Plain JavaScript on the processor: slow, and the same everywhere. */
export const CPU: BackendAdapter = {
  packages: [],
  start: async () => {
    const { version_cpu } = await import('@tensorflow/tfjs-backend-cpu');
    const tf = await activate('cpu');
    return {
      info: {
        device: 'plain JavaScript, 1 thread',
        driver: null,
        hardware: 'cpu',
        precision: 'float32',
        versions: {
          '@tensorflow/tfjs-core': tf.version_core,
          '@tensorflow/tfjs-backend-cpu': version_cpu,
        },
      },
      load: loadTfjs,
      stop: () => undefined,
    };
  },
};
