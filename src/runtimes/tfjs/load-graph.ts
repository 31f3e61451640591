import type { io, Tensor } from '@tensorflow/tfjs-core';
import { Pth2tfjsError } from '../../base/errors.js';
import { toPixels } from '../../image/imagenet.js';
import { damaged } from '../../stored-model/damaged.js';
import type { InputKind } from '../../targets/formats.js';
import type { LayerVisitor, Network } from '../loaded-model.js';

/** A graph's input or output, as the signature in model.json describes it. */
interface TensorInfo {
  readonly name: string;
  readonly dtype: string;
  readonly tensorShape?: { readonly dim?: readonly { readonly size: string | number }[] };
}

/** What a graph takes and gives. */
interface Signature {
  readonly input: InputKind;
  /** Side of the square image. */
  readonly size: number;
  /** The node that gives the logits. */
  readonly output: string;
  readonly numClasses: number;
}

/**
 * Loads a graph model through TensorFlow.js's own loader.
 * @throws Pth2tfjsError `model` when it does not take one square image and give one row of logits
 */
export async function loadGraph(artifacts: io.ModelArtifacts): Promise<Network> {
  const tf = await import('@tensorflow/tfjs-core');
  const { loadGraphModel } = await import('@tensorflow/tfjs-converter');
  const { input, size, output, numClasses } = readSignature(artifacts);
  const model = await loadGraphModel({ load: async () => artifacts });
  const layers = layersOf(artifacts, output);
  const run = (batch: Float32Array, outputs: readonly string[]): Tensor[] => {
    const shape = [batch.length / (size * size * 3), size, size, 3];
    const [values, dtype] =
      input === 'pixels' ? [toPixels(batch), 'int32' as const] : [batch, 'float32' as const];
    try {
      // One output comes without a list.
      return tf.tidy(() => [model.execute(tf.tensor(values, shape, dtype), [...outputs])].flat());
    } catch (error) {
      throw damaged(`cannot be run: ${String(error)}`, error);
    }
  };
  return {
    inputShape: [null, size, size, 3],
    numClasses,
    input,
    predict: (batch) => visitAll([output], run(batch, [output]), () => undefined),
    trace: (batch, visit) => visitAll(layers, run(batch, layers), visit),
    layers,
    setWeights: () => {
      throw frozen();
    },
    dispose: () => {
      model.dispose();
    },
  };
}

/** Shows each output to `visit`, and gives all back; the last one is the logits. */
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

/** The nodes that stand for a module of the network, the output last; parts have a slash in their name. */
function layersOf({ modelTopology }: io.ModelArtifacts, output: string): readonly string[] {
  const { node } = modelTopology as { readonly node: readonly { name: string; op: string }[] };
  const modules = node
    .filter(({ name, op }) => !['Const', 'Placeholder'].includes(op) && !name.includes('/'))
    .map(({ name }) => name);
  return [...modules.filter((name) => name !== output), output];
}

function readSignature({ signature }: io.ModelArtifacts): Signature {
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
  return {
    input: input.dtype === 'DT_INT32' ? 'pixels' : 'normalized',
    size: height,
    output: output.name.replace(/:0$/, ''),
    numClasses,
  };
}

function sizes(info: TensorInfo | undefined): number[] {
  return (info?.tensorShape?.dim ?? []).map(({ size }) => Number(size));
}
