import { Pth2tfjsError } from '../errors.js';

/** TensorFlow.js backends by name, and how to get each; the packages load when first asked for. */
const BACKENDS = {
  wasm: {
    load: () => import('@tensorflow/tfjs-backend-wasm'),
    description: 'WebAssembly, float32',
  },
  cpu: {
    load: () => import('@tensorflow/tfjs-backend-cpu'),
    description: 'plain JavaScript, float32',
  },
} as const;

export type BackendName = keyof typeof BACKENDS;

export const BACKEND_NAMES = Object.keys(BACKENDS) as readonly BackendName[];

/** What the work runs on. */
export interface BackendInfo {
  readonly name: BackendName;
  readonly description: string;
  /** Version of TensorFlow.js. */
  readonly version: string;
}

/**
 * Makes a backend the current one of TensorFlow.js, for the whole program.
 * @throws Pth2tfjsError `backend` when it cannot be loaded or does not start.
 */
export async function prepareBackend(name: BackendName): Promise<BackendInfo> {
  const { load, description } = BACKENDS[name];
  // Loaded on demand: converting needs no TensorFlow.js, and loading it takes longer.
  const tf = await import('@tensorflow/tfjs-core');
  try {
    await load();
    if (!(await tf.setBackend(name))) throw new Error('it did not start');
    await tf.ready();
  } catch (error) {
    throw new Pth2tfjsError('backend', `the backend ${name} cannot be used: ${String(error)}`, {
      cause: error,
    });
  }
  const version = tf.version_core;
  return { name, description: `${description}, TensorFlow.js ${version}`, version };
}
