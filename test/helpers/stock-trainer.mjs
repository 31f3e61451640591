// Trains a model with TensorFlow.js alone: `node stock-trainer.mjs MODEL_URL OUT_FOLDER`, and saves it
// to the folder. Prints the losses and the logits that it gives then for the images as JSON. Nothing of
// ours may be imported; the backend cpu has all kernels that training takes. Nothing is left to chance.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';

const [url, folder] = process.argv.slice(2);
await tf.setBackend('cpu');
const model = await loadLayersModel(url);
const size = model.inputs[0].shape[1];
for (const layer of model.layers) if (layer.getClassName() === 'Dropout') layer.seed = 1;
const classes = model.outputs[0].shape[1];
const images = tf.randomNormal([2, size, size, 3], 0, 1, 'float32', 1);
const labels = tf.oneHot([0, 1], classes);

const loss = (truth, logits) => tf.losses.softmaxCrossEntropy(truth, logits);
model.compile({ optimizer: tf.train.sgd(0.001), loss: [loss, loss, loss] });
const { history } = await model.fit(images, [labels, labels, labels], {
  epochs: 2,
  batchSize: 2,
  shuffle: false,
  verbose: 0,
});
await model.save({
  save: async ({ modelTopology, weightSpecs, weightData, format }) => {
    const weights = tf.io.CompositeArrayBuffer.join(weightData);
    const manifest = [{ paths: ['weights.bin'], weights: weightSpecs }];
    const json = { format, modelTopology, weightsManifest: manifest };
    writeFileSync(join(folder, 'model.json'), JSON.stringify(json));
    writeFileSync(join(folder, 'weights.bin'), new Uint8Array(weights));
    return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
  },
});
const logits = [...model.predict(images)[0].dataSync()];
console.log(JSON.stringify({ losses: history.loss, images: [...images.dataSync()], logits }));
