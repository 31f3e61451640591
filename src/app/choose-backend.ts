import { Pth2tfjsError } from '../base/errors.js';

/** Best first. An app registers them by importing their packages. */
const PREFERRED = ['webgpu', 'webgl', 'tensorflow', 'wasm', 'cpu'] as const;

/**
 * Leaves the backend that the app has chosen; else makes the best registered one current, or wasm,
 * which comes along with this package, where none is registered.
 * @throws Pth2tfjsError `backend` when none starts
 */
export async function chooseBackend(): Promise<void> {
  const tf = await import('@tensorflow/tfjs-core');
  if (tf.getBackend()) return tf.ready();
  const registered = PREFERRED.filter((name) => tf.findBackendFactory(name) !== null);
  if (registered.length === 0) await import('@tensorflow/tfjs-backend-wasm');
  for (const name of registered.length === 0 ? (['wasm'] as const) : registered) {
    if (await tf.setBackend(name)) return tf.ready();
  }
  throw new Pth2tfjsError('backend', 'no backend of TensorFlow.js starts', {
    hint: 'import one, such as @tensorflow/tfjs-backend-webgl, or call tf.setBackend',
  });
}
