import { option } from './base/option.js';
import type { CheckpointSource } from './checkpoint/checkpoint-file.js';
import { type ConvertOptions, checkConvertOptions } from './convert-options.js';
import {
  checkImageSize,
  describeGraph,
  describeModel,
  describeOnnxModel,
  describeTrainable,
  type ModelOptions,
  type TrainableOptions,
} from './describe-model.js';
import { checkLabels } from './image/labels.js';
import { variantOf } from './network/network.js';
import { type FillOptions, fillTensors, type StoredTensor } from './network/plan.js';
import { faultWarnings, type WeightFaults } from './network/weight-faults.js';
import { NETWORK } from './networks/index.js';
import { numel } from './numbers/shape.js';
import { type HashedNetwork, readWhileHashing } from './read-network.js';
import {
  type ArtifactsInput,
  earlyShards,
  type NamedBytes,
  toArtifacts,
} from './stored-model/artifacts.js';
import { toOnnxFile } from './stored-model/onnx-file.js';
import { type ConvertedProvenance, describeProvenance, madeOf } from './stored-model/provenance.js';
import { describeTraining, unusedInTraining } from './stored-model/trainable-model.js';
import type { InputKind, ModelFormat } from './targets/formats.js';

export interface Conversion {
  /** `model.json` and the weight shards, or `model.onnx`. */
  readonly files: readonly NamedBytes[];
  readonly provenance: ConvertedProvenance;
  /** Tensors in the whole checkpoint. */
  readonly tensors: number;
  /** Numbers in the written model. */
  readonly parameters: number;
  /** What was set aside, one sentence each. */
  readonly notes: readonly string[];
  /** Things that the user should know, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Converts a torchvision GoogLeNet checkpoint to a TensorFlow.js model, or to ONNX, in memory. The model takes
 * NHWC float32 `[batch, imageSize, imageSize, 3]`, in ONNX NCHW `[batch, 3, imageSize, imageSize]`,
 * normalised as torchvision's transforms do (or pixels, see `input`), and gives logits `[batch, numClasses]`.
 *
 * @param checkpoint what `torch.save` or safetensors wrote, gzipped or not; must not change while this runs
 * @param onShard given the weight files one by one as soon as each is complete, where that is before all are
 * @throws Pth2tfjsError as `readCheckpoint` does; `no-state-dict`, `ambiguous-state-dict`, `usage`;
 *   {@link MappingError} when the state dict does not fit.
 */
export async function convertCheckpoint(
  checkpoint: CheckpointSource,
  options: ConvertOptions = {},
  onShard: (file: NamedBytes) => void = () => {},
): Promise<Conversion> {
  checkConvertOptions(options);
  const { quantization } = options;
  const { format = 'layers', input = 'normalized', trainable = false } = options;
  const network = await readWhileHashing(checkpoint, options);
  const { found, stateDict, match } = network;
  const labels = options.labels ?? (network.official ? options.officialLabels : undefined);
  if (labels !== undefined) checkLabels(labels, match.numClasses);
  const golden = await goldenOf(network, options);
  const imageSize = options.imageSize ?? golden?.shape[2] ?? NETWORK.imageSizes.standard;
  checkImageSize(imageSize);
  const known = network.transformInput ?? golden?.provenance?.transformInput ?? undefined;
  const transformInput = options.transformInput ?? known;
  const training = trainable ? describeTraining(stateDict, match) : undefined;
  const described = {
    stateDict: found,
    match,
    ignored: trainable ? unusedInTraining(match) : match.ignored,
    transformInput: transformInput ?? false,
    imageSize,
    labels,
    quantization,
    format,
    input,
    training,
  };
  const { numClasses, auxClasses } = match;
  const target = {
    ...variantOf(NETWORK, match),
    ...{ numClasses, auxClasses, imageSize, transformInput: described.transformInput },
  };
  const wanted = { format, input, quantization, trainable };
  const writer = format === 'onnx' ? onnxWriter(target, wanted) : tfjsWriter(target, wanted);
  const { data, faults } = fillTensors(writer.weights, stateDict, writer.early?.(onShard));
  const provenance = describeProvenance({ ...described, source: await network.source });
  return {
    files: writer.write(data, provenance),
    provenance,
    tensors: network.tensors,
    parameters: countWeights(writer.weights),
    notes: network.notes,
    warnings: [
      ...network.warnings,
      ...collectWarnings(transformInput === undefined, numClasses, faults),
    ],
  };
}

/** The golden file where it says that it was made of the same checkpoint. */
async function goldenOf(
  { source }: HashedNetwork,
  { golden }: ConvertOptions,
): Promise<ConvertOptions['golden']> {
  return golden?.provenance && madeOf(await source, golden.provenance) ? golden : undefined;
}

/** The network's own numbers, without constants, which no checkpoint holds. */
function countWeights(weights: readonly StoredTensor[]): number {
  const own = weights.filter(({ recipe }) => recipe.type !== 'constant');
  return own.reduce((sum, { shape }) => sum + numel(shape), 0);
}

/** How a model is written: the weights that it wants, and the files that they become. */
interface ModelWriter {
  readonly weights: readonly StoredTensor[];
  /** Gives files while the weights are still being computed, where it can. */
  readonly early?: (give: (file: NamedBytes) => void) => FillOptions;
  write(data: Float32Array, provenance: ConvertedProvenance): readonly NamedBytes[];
}

function onnxWriter(options: ModelOptions, { input, quantization }: Wanted): ModelWriter {
  const graph = describeOnnxModel(options, input);
  return {
    weights: graph.tensors,
    write: (data, provenance) => [toOnnxFile({ graph, data, provenance, quantization })],
  };
}

interface Wanted {
  readonly format: ModelFormat;
  readonly input: InputKind;
  readonly quantization: ConvertOptions['quantization'];
  readonly trainable: boolean;
}

function tfjsWriter(options: TrainableOptions, wanted: Wanted): ModelWriter {
  const { quantization } = wanted;
  const description = describe(options, wanted);
  return {
    weights: description.weights,
    early: (give) => ({ onFilled: earlyShards({ ...description, quantization }, give) }),
    write: (data, provenance) => toArtifacts({ ...description, data, provenance, quantization }),
  };
}

type Description = Pick<ArtifactsInput, 'format' | 'topology' | 'signature' | 'constants'> & {
  readonly weights: readonly StoredTensor[];
};

function describe(options: TrainableOptions, { format, input, trainable }: Wanted): Description {
  if (format === 'graph') {
    const { tensors, ...graph } = describeGraph(options, input);
    return { format: 'graph-model', weights: tensors, ...graph };
  }
  const { topology, tensors } = trainable ? describeTrainable(options) : describeModel(options);
  return { format: 'layers-model', topology, weights: tensors };
}

function collectWarnings(
  guessedTransform: boolean,
  numClasses: number,
  faults: WeightFaults,
): string[] {
  const warnings: string[] = [];
  if (guessedTransform) {
    warnings.push(
      'transform_input is taken to be off, since a state dict does not record it; pass ' +
        option('transformInput', true) +
        " if the model was fine-tuned from torchvision's official weights (print(model.transform_input) in Python tells)",
    );
  }
  if (numClasses === 1) {
    warnings.push(
      'the network gives one logit, whose probability is its sigmoid, as after training with BCEWithLogitsLoss: a softmax would be 1 for every image',
    );
  }
  return [...warnings, ...faultWarnings(faults)];
}
