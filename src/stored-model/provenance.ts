import { VERSION } from '../base/version.js';
import type { Container } from '../checkpoint/read-checkpoint.js';
import type { FloatDType } from '../checkpoint/tensor/float-dtypes.js';
import type { ModelOptions } from '../describe-model.js';
import { IMAGENET_MEAN, IMAGENET_STD } from '../image/imagenet.js';
import { variantOf } from '../network/network.js';
import { NETWORK, type Variant } from '../networks/index.js';
import type { Match } from '../networks/match.js';
import type { InputKind, ModelFormat } from '../targets/formats.js';
import type { Quantization } from './quantization.js';

/** The file that a model was made of. */
export interface SourceFile {
  readonly name: string | null;
  /** Size of the checkpoint, after gunzip. */
  readonly bytes: number;
  /** Of the checkpoint, after gunzip; null where the platform has no Web Crypto. */
  readonly sha256: string | null;
  /** The checkpoint that this one was made of, where a safetensors file says so. */
  readonly origin?: { readonly name: string | null; readonly sha256: string };
  readonly container: Container['format'];
  readonly containerVersion: Container['version'];
  readonly pickleProtocol: Container['pickleProtocol'];
  readonly byteOrder: Container['byteOrder'];
  readonly gzip: boolean;
}

/** What was converted from what; `userDefinedMetadata.pth2tfjs` of the written model. */
export interface Provenance extends Variant {
  readonly tool: string;
  readonly network: string;
  readonly format: ModelFormat;
  /** Null for a model that was trained since. */
  readonly source: SourceFile | null;
  /** Where the state dict was in the checkpoint (`.` at the top), and what stood before its keys. */
  readonly stateDict: { readonly name: string; readonly prefix: string };
  readonly transformInput: boolean;
  readonly numClasses: number;
  readonly input: {
    /** NCHW for ONNX models that take normalised images. */
    readonly layout: 'NHWC' | 'NCHW';
    readonly shape: readonly [null, number, number, 3] | readonly [null, 3, number, number];
    readonly channels: 'RGB';
    /** Normalised float32, or pixels from 0 to 255 that the model normalises itself: int32, in ONNX uint8. */
    readonly kind: InputKind;
    /** Pixels in [0, 1], then `(x - mean) / std` a channel. */
    readonly mean: readonly number[];
    readonly std: readonly number[];
  };
  /** Names of the classes, in the order of the logits; absent where nobody gave them. */
  readonly labels?: readonly string[];
  /** How the kernels are stored; absent for float32. */
  readonly quantization?: Quantization;
  readonly ignoredKeys: readonly string[];
  /** What a trainable model remembers for the way back to PyTorch; absent for one to infer with. */
  readonly training?: TrainingRecord;
}

export interface TrainingRecord {
  /** What float tensors were in the checkpoint; mixed ones count as float32. */
  readonly dtype: FloatDType;
  /** `num_batches_tracked`, one number if all are equal; null where the checkpoint had none. */
  readonly batchesTracked: number | Readonly<Record<string, number>> | null;
  /** Whether the weights have been changed since. */
  readonly trained: boolean;
}

/** What a model remembers that was just converted. */
export type ConvertedProvenance = Provenance & {
  readonly source: SourceFile;
};

/** What the parts of a conversion contribute. */
export interface ProvenanceInput {
  readonly source: SourceFile;
  readonly stateDict: Provenance['stateDict'];
  readonly match: Match;
  /** Keys that the model has no use for. */
  readonly ignored: readonly string[];
  readonly transformInput: boolean;
  readonly imageSize: number;
  readonly labels: readonly string[] | undefined;
  readonly quantization: Quantization | undefined;
  readonly format: ModelFormat;
  readonly input: InputKind;
  readonly training: TrainingRecord | undefined;
}

/** What a model remembers of its checkpoint's file. */
export function describeSource(
  container: Container,
  name: string | undefined,
  sha256: string | undefined,
  metadata: ReadonlyMap<string, string>,
): SourceFile {
  const origin = {
    name: metadata.get('checkpoint') ?? null,
    sha256: metadata.get('checkpoint_sha256') ?? '',
  };
  return {
    name: name ?? null,
    bytes: container.byteLength,
    sha256: sha256 ?? null,
    ...(/^[0-9a-f]{64}$/.test(origin.sha256) ? { origin } : {}),
    container: container.format,
    containerVersion: container.version,
    pickleProtocol: container.pickleProtocol,
    byteOrder: container.byteOrder,
    gzip: container.gzip,
  };
}

/**
 * Whether what a golden file records was made of the checkpoint that a model was made of, by their SHA-256;
 * undefined where one of them does not say.
 */
export function madeOf(
  source: Pick<SourceFile, 'sha256' | 'origin'> | null | undefined,
  golden: { readonly checkpointSha256: string | null } | null | undefined,
): boolean | undefined {
  const theirs = golden?.checkpointSha256;
  if (!source?.sha256 || !theirs) return undefined;
  return [source.sha256, source.origin?.sha256].includes(theirs);
}

export function describeProvenance(input: ProvenanceInput): ConvertedProvenance {
  const { match, imageSize, labels, quantization, training } = input;
  return {
    tool: `pth2tfjs ${VERSION}`,
    network: NETWORK.id,
    format: input.format,
    source: input.source,
    stateDict: input.stateDict,
    ...variantOf(NETWORK, match),
    transformInput: input.transformInput,
    numClasses: match.numClasses,
    input: describeInput(imageSize, input.input, input.format),
    ...(labels === undefined ? {} : { labels }),
    ...(quantization === undefined ? {} : { quantization }),
    ignoredKeys: input.ignored,
    ...(training === undefined ? {} : { training }),
  };
}

/** What a model remembers that has been trained: nothing of a checkpoint, whose weights are gone. */
export function describeTrained(
  options: ModelOptions,
  batchesTracked: TrainingRecord['batchesTracked'],
  labels: readonly string[] | undefined,
): Provenance {
  const { transformInput, numClasses, imageSize } = options;
  return {
    tool: `pth2tfjs ${VERSION}`,
    network: NETWORK.id,
    format: 'layers',
    source: null,
    stateDict: { name: '.', prefix: '' },
    ...variantOf(NETWORK, options),
    transformInput,
    numClasses,
    input: describeInput(imageSize, 'normalized'),
    ...(labels === undefined ? {} : { labels }),
    ignoredKeys: [],
    training: { dtype: 'float32', batchesTracked, trained: true },
  };
}

function describeInput(
  imageSize: number,
  kind: InputKind,
  format: ModelFormat = 'layers',
): Provenance['input'] {
  const channelsFirst = format === 'onnx' && kind === 'normalized';
  return {
    layout: channelsFirst ? 'NCHW' : 'NHWC',
    shape: channelsFirst ? [null, 3, imageSize, imageSize] : [null, imageSize, imageSize, 3],
    channels: 'RGB',
    kind,
    mean: IMAGENET_MEAN,
    std: IMAGENET_STD,
  };
}
