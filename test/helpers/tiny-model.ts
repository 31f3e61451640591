/** A model of one dense layer, as TensorFlow.js itself saves it: enough for what is about files. */
import * as tf from '@tensorflow/tfjs-core';
import { layers, sequential } from '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';
import type { NamedBytes } from '../../src/index.js';

/** `[4, 4, 3]` in, two logits out: 96 weights and two biases, 392 bytes. */
export interface TinyModel {
  readonly topology: object;
  readonly weights: readonly tf.io.WeightsManifestEntry[];
  readonly data: Uint8Array;
}

/** Normalised pixels that the tests run it on. */
export const TINY_IMAGE = Float32Array.from({ length: 48 }, (_, i) => Math.sin(i));

export async function saveTiny(): Promise<TinyModel> {
  // Keeps it from advertising its other packages.
  tf.enableProdMode();
  await tf.setBackend('cpu');
  const model = sequential({
    layers: [layers.flatten({ inputShape: [4, 4, 3] }), layers.dense({ units: 2, name: 'fc' })],
  });
  let saved: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      saved = artifacts;
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
    }),
  );
  model.dispose();
  const { modelTopology, weightSpecs, weightData } = saved as tf.io.ModelArtifacts;
  const data = tf.io.CompositeArrayBuffer.join(weightData as ArrayBuffer);
  return {
    topology: modelTopology as object,
    weights: weightSpecs as tf.io.WeightsManifestEntry[],
    data: new Uint8Array(data),
  };
}

/** The model.json, with anything else in it that a test wants there. */
export function tinyJSON(
  { topology, weights }: TinyModel,
  paths: readonly string[],
  more: object = {},
): Record<string, unknown> {
  return {
    format: 'layers-model',
    modelTopology: topology,
    weightsManifest: [{ paths, weights }],
    ...more,
  };
}

/** The files, with one file of weights. */
export function tinyFiles(tiny: TinyModel, more: object = {}): NamedBytes[] {
  const json = tinyJSON(tiny, ['weights.bin'], more);
  return [
    { name: 'model.json', bytes: new TextEncoder().encode(JSON.stringify(json)) },
    { name: 'weights.bin', bytes: tiny.data },
  ];
}
