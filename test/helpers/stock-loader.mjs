// Runs a model with TensorFlow.js alone: `node stock-loader.mjs MODEL_URL IMAGES`, where IMAGES is a
// file of raw NHWC: float32, or bytes for a model that takes pixels. Prints the logits, the layers and
// what model.json remembers as JSON. Nothing of ours may be imported.
import { readFileSync } from 'node:fs';
import '@tensorflow/tfjs-backend-wasm';
import { loadGraphModel } from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';

const [url, path] = process.argv.slice(2);
await tf.setBackend('wasm');
const { format, userDefinedMetadata } = await tf.io.http(url).load();
const graph = format === 'graph-model';
const model = await (graph ? loadGraphModel : loadLayersModel)(url);
const [{ shape: inputShape, dtype }] = model.inputs;
const bytes = new Uint8Array(readFileSync(path));
const values = dtype === 'int32' ? Int32Array.from(bytes) : new Float32Array(bytes.buffer);
const images = tf.tensor(values, [values.length / inputShape[1] ** 2 / 3, ...inputShape.slice(1)]);
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
console.log(JSON.stringify(report));
