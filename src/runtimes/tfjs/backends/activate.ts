/**
 * Makes a registered backend the current one of TensorFlow.js.
 * @throws Error when it does not start
 */
export async function activate(name: string): Promise<typeof import('@tensorflow/tfjs-core')> {
  // Loaded on demand: converting needs no TensorFlow.js, and loading it takes longer.
  const tf = await import('@tensorflow/tfjs-core');
  if (!(await tf.setBackend(name))) throw new Error('it did not start');
  await tf.ready();
  return tf;
}
