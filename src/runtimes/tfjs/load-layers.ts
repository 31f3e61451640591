import type { io, Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs-layers';
import { damaged } from '../../stored-model/damaged.js';
import type { LayerVisitor, Network } from './loaded-model.js';

/**
 * Loads a layers model through TensorFlow.js's own loader.
 * @throws Pth2tfjsError `model` when it does not take one image and give one row of logits
 */
export async function loadLayers(handler: io.IOHandler): Promise<Network> {
  const tf = await import('@tensorflow/tfjs-core');
  const { loadLayersModel, model: partOf } = await import('@tensorflow/tfjs-layers');
  const whole = await loadLayersModel(handler);
  const [logits] = whole.outputs as [SymbolicTensor];
  // A trainable model goes on to auxiliary heads, which have no part in inference.
  const model =
    whole.outputs.length === 1 ? whole : partOf({ inputs: whole.inputs, outputs: logits });
  const [, height, width, channels] = model.inputs[0]?.shape ?? [];
  const numClasses = model.outputs[0]?.shape.at(-1);
  if (height == null || width == null || channels !== 3 || numClasses == null) {
    whole.dispose();
    throw damaged('does not take one image and give one row of logits');
  }
  return {
    inputShape: [null, height, width, channels],
    numClasses,
    input: 'normalized',
    predict: async (batch) => {
      const images = batch.length / (height * width * 3);
      const logits = tf.tidy(() => {
        const input = tf.tensor4d(batch, [images, height, width, 3]);
        return model.predict(input, { batchSize: images }) as Tensor;
      });
      const values = await logits.data<'float32'>();
      logits.dispose();
      return values;
    },
    trace: (batch, visit) => {
      const input = tf.tensor(batch, [batch.length / (height * width * 3), height, width, 3]);
      return traceLayers(tf, model, input, visit);
    },
    layers: model.layers.map(({ name }) => name),
    setWeights: (changes) => {
      for (const variable of model.weights) {
        const values = changes.get(variable.originalName);
        if (values === undefined) continue;
        tf.tidy(() => {
          variable.write(tf.tensor(values, variable.shape as number[]));
        });
      }
    },
    dispose: () => {
      whole.dispose();
    },
  };
}

/** Takes over `input`; each output is given back when its last reader has run. */
async function traceLayers(
  tf: typeof import('@tensorflow/tfjs-core'),
  model: LayersModel,
  input: Tensor,
  visit: LayerVisitor,
): Promise<Float32Array> {
  const outputs = new Map<string, Tensor>();
  const sources = model.layers.map(({ inboundNodes }) =>
    (inboundNodes[0]?.inboundLayers ?? []).map(({ name }) => name),
  );
  try {
    let last = input;
    for (const [at, layer] of model.layers.entries()) {
      const from = sources[at]?.map((name) => outputs.get(name) as Tensor) ?? [];
      const output = from.length === 0 ? input : tf.tidy(() => layer.apply(from) as Tensor);
      outputs.set(layer.name, output);
      const replaced = await visit(layer.name, output.shape, () => output.data<'float32'>());
      if (replaced !== undefined) {
        outputs.set(layer.name, tf.tensor(replaced, output.shape));
        output.dispose();
      }
      last = outputs.get(layer.name) as Tensor;
      const needed = new Set(sources.slice(at + 1).flat());
      for (const [name, tensor] of outputs) {
        if (needed.has(name) || tensor === last) continue;
        tensor.dispose();
        outputs.delete(name);
      }
    }
    return await last.data<'float32'>();
  } finally {
    for (const tensor of outputs.values()) tensor.dispose();
    if (!input.isDisposed) input.dispose();
  }
}
