import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { concatenate } from '../../base/bytes.js';
import { Pth2tfjsError } from '../../base/errors.js';
import { toPixels } from '../../image/imagenet.js';
import { toNCHW, toNHWC } from '../../numbers/layout.js';
import { damaged } from '../../stored-model/damaged.js';
import type { StoredOnnx } from '../../stored-model/stored-onnx.js';
import type { LayerOutput, LoadedModel } from '../loaded-model.js';
import type { OnnxRuntime, OnnxTensorValue, Session } from './runtime.js';

/** Makes a session of a model, on an execution provider that has been chosen. */
export type CreateSession = (model: Uint8Array) => Promise<Session>;

/**
 * Loads an ONNX model. Layers are what its nodes give, by the names that PyTorch's modules have where `convert` wrote
 * it; to see them, the model is loaded once more, since a runtime merges nodes whose results nobody asks for.
 * @throws Pth2tfjsError `model` where ONNX Runtime does not take it
 */
export async function loadOnnx(
  stored: StoredOnnx,
  { Tensor }: Pick<OnnxRuntime, 'Tensor'>,
  createSession: CreateSession,
): Promise<LoadedModel> {
  const { file, signature, provenance } = stored;
  const { imageSize: side, kind, numClasses, output } = signature;
  const values = valuesOf(stored);
  // PyTorch has a name for what gives the logits, and none for them.
  const classifier =
    provenance === null
      ? output
      : (stored.model.nodes.find(({ outputs }) => outputs.includes(output))?.name ?? output);
  const create = (bytes: Uint8Array) =>
    createSession(bytes).catch((error) => {
      throw refused(reasonOf(error), error);
    });
  const whole = await create(file);
  let byLayers: Session | undefined;
  const pixels = side * side * 3;
  // Features without the sides of 1 that the pool leaves, as TensorFlow.js gives them.
  const pooled = new Set(
    stored.model.nodes.flatMap(({ op, outputs }) => (op === 'GlobalAveragePool' ? outputs : [])),
  );

  /** Runs a batch, all at once where the model allows that, and gives each chunk's outputs. */
  async function run(session: Session, batch: Float32Array): Promise<Outputs[]> {
    const images = batch.length / pixels;
    const most = signature.batch ?? images;
    if (images % most !== 0) throw wrongBatch(most, images);
    const chunks: Outputs[] = [];
    for (let start = 0; start < images; start += most) {
      const part = batch.subarray(start * pixels, (start + most) * pixels);
      const [data, shape] =
        kind === 'pixels'
          ? [Uint8Array.from(toPixels(part)), [most, side, side, 3]]
          : [toNCHW(part, [most, side, side, 3]), [most, 3, side, side]];
      const tensor = new Tensor(kind === 'pixels' ? 'uint8' : 'float32', data, shape);
      const run = session.run({ [signature.input]: tensor });
      chunks.push(
        await run.catch((error) => {
          throw damaged(`cannot be run: ${reasonOf(error)}`, error);
        }),
      );
    }
    return chunks;
  }

  return {
    provenance,
    inputShape: [null, side, side, 3],
    numClasses,
    input: kind,
    layers: values.map((name) => (name === output ? classifier : name)),
    predict: async (batch) => joined(await run(whole, batch), output).values,
    trace: async (batch, visit) => {
      byLayers ??= await create(withOutputs(file, values, output));
      const chunks = await run(byLayers, batch);
      for (const name of values) {
        // Shapes are read first: what nobody reads need not be brought into another layout.
        const { values: data, shape } = joined(chunks, name);
        const [images = 0, channels = 0, ...sides] = shape;
        const channelsLast = [images, ...(pooled.has(name) ? [] : sides), channels];
        const layer = name === output ? classifier : name;
        const replaced = await visit(layer, channelsLast, async () => toNHWC(data, shape));
        if (replaced !== undefined) throw frozen();
      }
      return joined(chunks, output).values;
    },
    setWeights: () => {
      throw frozen();
    },
    dispose: () => {
      // Nothing waits for it: a session that is being released is not used any more.
      for (const session of [whole, byLayers]) void session?.release();
    },
  };
}

type Outputs = Readonly<Record<string, OnnxTensorValue>>;

/** An output of all chunks as one, channels first. */
function joined(chunks: readonly Outputs[], name: string): LayerOutput {
  const values = chunks.map((outputs) => outputs[name] as OnnxTensorValue);
  const parts = values.map(({ data }) => data as Float32Array);
  const [dims = []] = values.map((value) => value.dims);
  const [images = 0, ...rest] = dims;
  const shape = [images * chunks.length, ...rest];
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return { shape, values: only };
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return { shape, values: all };
}

/** What the nodes give, but for constants and steps that stand for no module; the logits last. */
function valuesOf({ model, signature, provenance }: StoredOnnx): readonly string[] {
  const { output } = signature;
  const isOwn = provenance !== null;
  const names = model.nodes
    .filter(({ op }) => !['Cast', 'Constant', 'Transpose', 'Shape'].includes(op))
    .flatMap(({ outputs }) => outputs)
    .filter((name) => name !== '' && name !== output && !(isOwn && AUXILIARY.test(name)));
  return [...names, output];
}

/** A step on the way to a module's output, as they are written here. */
const AUXILIARY = /^normalize$|\.mul$/;

/**
 * The model with more outputs. Protocol Buffers join what a message says twice, so that the graph's other outputs
 * need only be written behind the file. Source: the encoding guide of Protocol Buffers, "Last One Wins".
 */
function withOutputs(file: Uint8Array, names: readonly string[], output: string): Uint8Array {
  const [GRAPH, OUTPUT, NAME] = [7, 12, 1];
  const writer = new BinaryWriter().tag(GRAPH, WireType.LengthDelimited).fork();
  for (const name of names.filter((each) => each !== output)) {
    writer.tag(OUTPUT, WireType.LengthDelimited).fork();
    writer.tag(NAME, WireType.LengthDelimited).string(name).join();
  }
  return concatenate([file, writer.join().finish()]);
}

function refused(reason: string, cause: unknown): Pth2tfjsError {
  return new Pth2tfjsError('model', `ONNX Runtime does not take the model: ${reason}`, { cause });
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim();
}

function frozen(): Pth2tfjsError {
  return new Pth2tfjsError('unsupported', 'an ONNX model is frozen and runs as a whole', {
    hint: 'convert to a layers model to change it',
  });
}

function wrongBatch(batch: number, images: number): Pth2tfjsError {
  return new Pth2tfjsError('usage', `the ONNX model takes ${batch} images at once, not ${images}`, {
    hint: 'export it with a free number of images, as pth2tfjs convert does',
  });
}
