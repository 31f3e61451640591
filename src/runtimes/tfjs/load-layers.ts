import type { io, Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs-layers';
import { damaged } from '../../stored-model/damaged.js';
import type { LayerOutput, LayerVisitor, Network } from '../loaded-model.js';
import type { Step } from './other-layers.js';

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
    trace: async (batch, visit, { layers, known } = {}) => {
      const [, rows, columns] = layers?.[0]?.config.batch_input_shape ?? [];
      const [h, w] = [rows ?? height, columns ?? width];
      const input = tf.tensor(batch, [batch.length / (h * w * 3), h, w, 3]);
      // Apps never run other layers than the model's.
      const steps =
        layers === undefined
          ? ownSteps(model)
          : (await import('./other-layers.js')).otherSteps(tf, model, layers);
      return traceLayers(tf, steps, input, visit, known);
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

function ownSteps(model: LayersModel): Step[] {
  return model.layers.map((layer) => ({
    name: layer.name,
    layer,
    from: (layer.inboundNodes[0]?.inboundLayers ?? []).map(({ name }) => name),
  }));
}

/** Takes over `input`; each output is given back when its last reader has run. */
async function traceLayers(
  tf: typeof import('@tensorflow/tfjs-core'),
  steps: readonly Step[],
  input: Tensor,
  visit: LayerVisitor,
  known: ReadonlyMap<string, LayerOutput> = new Map(),
): Promise<Float32Array> {
  const outputs = new Map<string, Tensor>();
  const run = steps.filter(({ name }) => !known.has(name));
  for (const name of new Set(run.flatMap(({ from }) => from))) {
    const output = known.get(name);
    if (output) outputs.set(name, tf.tensor(output.values, [...output.shape]));
  }
  try {
    let last = input;
    for (const [at, { name, layer, from: sources }] of run.entries()) {
      const from = sources.map((each) => outputs.get(each) as Tensor);
      const output = from.length === 0 ? input : tf.tidy(() => layer.apply(from) as Tensor);
      outputs.set(name, output);
      const replaced = await visit(name, output.shape, () => output.data<'float32'>());
      if (replaced !== undefined) {
        outputs.set(name, tf.tensor(replaced, output.shape));
        output.dispose();
      }
      last = outputs.get(name) as Tensor;
      const needed = new Set(run.slice(at + 1).flatMap((step) => step.from));
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
