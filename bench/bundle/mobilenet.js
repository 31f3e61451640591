import '@tensorflow/tfjs-backend-wasm';
import { load } from '@tensorflow-models/mobilenet';

export async function classify(image) {
  const model = await load();
  return model.classify(image);
}
