// Runs models with TensorFlow.js alone. Each line on stdin is `{"url": MODEL_URL, "path": IMAGES}`, where IMAGES
// is a file of raw NHWC: float32, or bytes for a model that takes pixels. Prints a line for each: the logits, the
// layers and what model.json remembers, as JSON. Nothing of ours may be imported.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import '@tensorflow/tfjs-backend-wasm';
import { loadGraphModel } from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';

await tf.setBackend('wasm');

async function run({ url, path }) {
  const { format, userDefinedMetadata } = await tf.io.http(url).load();
  const graph = format === 'graph-model';
  const model = await (graph ? loadGraphModel : loadLayersModel)(url);
  const [{ shape: inputShape, dtype }] = model.inputs;
  const bytes = new Uint8Array(readFileSync(path));
  const values = dtype === 'int32' ? Int32Array.from(bytes) : new Float32Array(bytes.buffer);
  const count = values.length / inputShape[1] ** 2 / 3;
  const images = tf.tensor(values, [count, ...inputShape.slice(1)]);
  const logits = model.predict(images);
  const layers = graph
    ? Object.values(model.executor.graph.nodes).map(({ name, op }) => ({ name, type: op }))
    : model.layers.map((layer) => ({ name: layer.name, type: layer.getClassName() }));
  const report = {
    backend: tf.getBackend(),
    shape: logits.shape,
    logits: [...logits.dataSync()],
    layers,
    metadata: userDefinedMetadata,
  };
  tf.dispose([images, logits]);
  model.dispose();
  return report;
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await run(JSON.parse(line))));
}
