// Runs a model with TensorFlow.js alone: `node stock-loader.mjs MODEL_URL IMAGES`, where IMAGES is a
// file of raw float32 NHWC. Prints the logits and the layers as JSON. Nothing of ours may be imported.
import { readFileSync } from 'node:fs';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';

const [url, path] = process.argv.slice(2);
await tf.setBackend('wasm');
const model = await loadLayersModel(url);
const values = new Float32Array(new Uint8Array(readFileSync(path)).buffer);
const [, ...shape] = model.inputs[0].shape;
const images = tf.reshape(tf.tensor(values), [-1, ...shape]);
const logits = model.predict(images);
const layers = model.layers.map((layer) => ({ name: layer.name, type: layer.getClassName() }));
const report = {
  backend: tf.getBackend(),
  shape: logits.shape,
  logits: [...logits.dataSync()],
  layers,
};
console.log(JSON.stringify(report));
