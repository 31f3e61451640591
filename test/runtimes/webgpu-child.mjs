// Starts WebGPU twice in one process, then another backend; prints what came of it as JSON.
import * as tf from '@tensorflow/tfjs-core';
import { prepareBackend } from '../../dist/src/runtimes/backends.js';

const before = new Set(Object.keys(globalThis));
const devices = [];
const products = [];
for (const factor of [2, 3]) {
  const backend = await prepareBackend('webgpu');
  devices.push(backend.info.device);
  products.push([...(await tf.mul([1, 2, 3], factor).data())]);
  await backend.stop();
}
const wasm = await prepareBackend('wasm');
const sumOnWasm = [...(await tf.add([1], 1).data())];
await wasm.stop();
const leftBehind = Object.keys(globalThis).filter((name) => !before.has(name));
if (globalThis.navigator?.gpu) leftBehind.push('navigator.gpu');
console.log(JSON.stringify({ devices, products, sumOnWasm, leftBehind }));
