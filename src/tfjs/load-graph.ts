import type { io, Tensor } from '@tensorflow/tfjs-core';
import { Pth2tfjsError } from '../errors.js';
import { toPixels } from '../googlenet/preprocess.js';
import { damaged, type LayerVisitor, type LoadedModel } from './loaded-model.js';

/** A graph's input or output, as the signature in model.json describes it. */
interface TensorInfo {
  readonly name: string;
  readonly dtype: string;
  readonly tensorShape?: { readonly dim?: readonly { readonly size: string | number }[] };
}

/**
 * Loads a graph model through TensorFlow.js's own loader. Where it takes pixels, `predict` and `trace`
 * turn the normalised images that they are given back into these.
 * @throws Pth2tfjsError `model` when it does not take one square image and give one row of logits
 */
export async function loadGraph(artifacts: io.ModelArtifacts): Promise<LoadedModel> {
  const tf = await import('@tensorflow/tfjs-core');
  const { loadGraphModel } = await import('@tensorflow/tfjs-converter');
  const { pixels, size, output, numClasses } = readSignature(artifacts);
  const model = await loadGraphModel({ load: async () => artifacts });
  const layers = layersOf(artifacts);
  const run = <T extends Tensor | Tensor[]>(batch: Float32Array, outputs: string | string[]): T =>
    tf.tidy(() => {
      const shape = [batch.length / (size * size * 3), size, size, 3];
      const input = pixels
        ? tf.tensor(toPixels(batch), shape, 'int32')
        : tf.tensor(batch, shape, 'float32');
      return model.execute(input, outputs) as T;
    });
  return {
    inputShape: [null, size, size, 3],
    numClasses,
    predict: async (batch) => {
      const logits = run<Tensor>(batch, output);
      const values = await logits.data<'float32'>();
      logits.dispose();
      return values;
    },
    trace: (batch, visit) => visitAll(layers, run<Tensor[]>(batch, [...layers]), visit),
    layers,
    setWeights: () => {
      throw frozen();
    },
    dispose: () => {
      model.dispose();
    },
  };
}

/** Shows each output to `visit`, and gives it back; the last one is the logits. */
async function visitAll(
  layers: readonly string[],
  outputs: readonly Tensor[],
  visit: LayerVisitor,
): Promise<Float32Array> {
  try {
    for (const [i, name] of layers.entries()) {
      const output = outputs[i] as Tensor;
      const replaced = await visit(name, output.shape, () => output.data<'float32'>());
      if (replaced !== undefined) throw frozen();
    }
    return await (outputs.at(-1) as Tensor).data<'float32'>();
  } finally {
    for (const output of outputs) output.dispose();
  }
}

function frozen(): Pth2tfjsError {
  return new Pth2tfjsError('unsupported', 'a graph model is frozen and runs as a whole', {
    hint: 'convert to a layers model to change it',
  });
}

/** The nodes that stand for a module of the network; the others have a slash in their name. */
function layersOf({ modelTopology }: io.ModelArtifacts): readonly string[] {
  const { node } = modelTopology as { readonly node: readonly { name: string; op: string }[] };
  return node
    .filter(({ name, op }) => !['Const', 'Placeholder'].includes(op) && !name.includes('/'))
    .map(({ name }) => name);
}

function readSignature({ signature }: io.ModelArtifacts): {
  readonly pixels: boolean;
  readonly size: number;
  readonly output: string;
  readonly numClasses: number;
} {
  const { inputs = {}, outputs = {} } = (signature ?? {}) as {
    readonly inputs?: Readonly<Record<string, TensorInfo>>;
    readonly outputs?: Readonly<Record<string, TensorInfo>>;
  };
  const [[input, ...more], [output]] = [Object.values(inputs), Object.values(outputs)];
  const [, height = 0, width, channels] = sizes(input);
  const numClasses = sizes(output).at(-1) ?? 0;
  const image = height > 0 && width === height && channels === 3 && more.length === 0;
  if (input === undefined || output === undefined || !image || !(numClasses > 0)) {
    throw damaged('does not take one square image and give one row of logits');
  }
  return { pixels: input.dtype === 'DT_INT32', size: height, output: output.name, numClasses };
}

function sizes(info: TensorInfo | undefined): number[] {
  return (info?.tensorShape?.dim ?? []).map(({ size }) => Number(size));
}
