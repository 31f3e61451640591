import type { BackendAdapter, BackendInfo, StartedBackend, StartOptions } from '../backends.js';
import { activate } from './activate.js';

/**
 * TensorFlow's C library through tfjs-node: `tensorflow` on the processor, `cuda` on an NVIDIA GPU.
 * The two packages are one program, linked with another library.
 */

export const TENSORFLOW: BackendAdapter = {
  packages: ['@tensorflow/tfjs-node@4.22.0'],
  start: (options) => startTensorFlow('@tensorflow/tfjs-node', options),
};

export const CUDA: BackendAdapter = {
  packages: ['@tensorflow/tfjs-node-gpu@4.22.0'],
  start: (options) => startTensorFlow('@tensorflow/tfjs-node-gpu', options),
};

async function startTensorFlow(_name: string, _options: StartOptions): Promise<StartedBackend> {
  const tf = await activate('tensorflow');
  const info: Omit<BackendInfo, 'name'> = {
    device: '',
    driver: null,
    hardware: 'cpu',
    precision: 'float32',
    versions: { '@tensorflow/tfjs-core': tf.version_core },
  };
  return { info, stop: () => undefined };
}
