/** Loads and classifies in a worker, on wasm: `{ source, image }` in, predictions or an error out. */
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { loadGoogLeNet } from '../../src/index.js';
import { WASM_FILES } from '../helpers/wasm-files.js';

setWasmPaths(WASM_FILES);

self.addEventListener('message', async ({ data: { source, image } }) => {
  try {
    const model = await loadGoogLeNet(source);
    self.postMessage(await model.classify(image));
  } catch (error) {
    self.postMessage(String(error));
  }
});
