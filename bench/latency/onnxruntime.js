// ONNX Runtime: node onnxruntime.js web|node THREADS MODEL.onnx IMAGES.nchw
import { serve } from './serve.js';

const [kind, threads, model, images] = process.argv.slice(2);
const { env, InferenceSession, Tensor } = await import(`onnxruntime-${kind}`);
const options = {
  web: { executionProviders: ['wasm'] },
  node: { executionProviders: ['cpu'], intraOpNumThreads: Number(threads) },
};
env.wasm.numThreads = Number(threads);
const session = await InferenceSession.create(model, options[kind]);
await serve({ version: env.versions.common }, images, async (batch, count) => {
  const { logits } = await session.run({
    input: new Tensor('float32', batch, [count, 3, 224, 224]),
  });
  return logits.data;
});
