// A photo's classes by name; the model is layers or graph, whatever the server has.
import '@tensorflow/tfjs-backend-wasm';
import { IMAGENET_LABELS } from '../../dist/src/image/imagenet-labels.js';
import { loadGoogLeNet } from '../../dist/src/index.js';

export async function classify(image) {
  const model = await loadGoogLeNet('/model/model.json', { labels: IMAGENET_LABELS });
  return model.classify(image);
}
