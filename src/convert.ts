import { toHex } from './bytes.js';
import type { Crc32 } from './checkpoint/crc32.js';
import { type Container, readCheckpoint, ungzip } from './checkpoint/index.js';
import { listTensors, selectStateDict, stripPrefixes } from './checkpoint/state-dict.js';
import type { Branch3Kernel } from './googlenet/architecture.js';
import { fitOf, matchStateDict } from './googlenet/mapping.js';
import { checkImageSize, describeModel } from './googlenet/model.js';
import { IMAGENET_MEAN, IMAGENET_STD } from './googlenet/preprocess.js';
import { computeWeights } from './googlenet/weights.js';
import { type NamedBytes, toArtifacts } from './tfjs/artifacts.js';
import { VERSION } from './version.js';

export interface ConvertOptions {
  /** The checkpoint's file name, for the provenance; it does not change what is read. */
  readonly sourceName?: string | undefined;
  /** Dotted path of the state dict in the checkpoint, when several fit. */
  readonly key?: string | undefined;
  /**
   * torchvision's `transform_input`, which no state dict records. Default: on for the official
   * weights, which are known by their SHA-256; off for all others.
   */
  readonly transformInput?: boolean | undefined;
  /** Side of the square input in pixels, at least 15. Default 224. */
  readonly imageSize?: number | undefined;
  /** A faster CRC-32, such as Node's `zlib.crc32`. */
  readonly crc32?: Crc32 | undefined;
}

/** What was converted from what; `userDefinedMetadata.pth2tfjs` of the written model. */
export interface Provenance {
  readonly tool: string;
  readonly network: 'googlenet';
  readonly source: {
    readonly name: string | null;
    /** Size of the checkpoint, after gunzip. */
    readonly bytes: number;
    /** Of the checkpoint, after gunzip; null where the platform has no Web Crypto. */
    readonly sha256: string | null;
    readonly container: Container['format'];
    readonly containerVersion: string;
    readonly pickleProtocol: number;
    readonly byteOrder: Container['byteOrder'];
    readonly gzip: boolean;
  };
  readonly stateDict: { readonly path: string; readonly prefix: string };
  readonly branch3Kernel: Branch3Kernel;
  readonly transformInput: boolean;
  readonly numClasses: number;
  readonly input: {
    readonly layout: 'NHWC';
    readonly shape: readonly [null, number, number, 3];
    readonly channels: 'RGB';
    /** Pixels in [0, 1], then `(x - mean) / std` a channel. */
    readonly mean: readonly number[];
    readonly std: readonly number[];
  };
  readonly ignoredKeys: readonly string[];
}

export interface Conversion {
  /** `model.json` and the weight shards. */
  readonly files: readonly NamedBytes[];
  readonly provenance: Provenance;
  /** Tensors in the whole checkpoint. */
  readonly tensors: number;
  /** Numbers in the written model. */
  readonly parameters: number;
  /** Things that the user should know, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * The official weights, `googlenet-1378be20.pth`: torch hub puts the start of the SHA-256 into the
 * file name, and publishes no more of it; the size makes a chance match impossible in practice.
 */
const OFFICIAL = { sha256: '1378be20', bytes: 52_147_035 };

/**
 * Converts a torchvision GoogLeNet checkpoint to a TensorFlow.js layers model, in memory.
 * The model takes NHWC float32 `[batch, imageSize, imageSize, 3]`, normalised as torchvision's
 * transforms do, and gives logits `[batch, numClasses]`.
 *
 * @param bytes what `torch.save` wrote, gzipped or not; must not change while this runs
 * @throws Pth2tfjsError as `readCheckpoint` does; `no-state-dict`, `ambiguous-state-dict`, `usage`;
 *   {@link MappingError} when the state dict does not fit.
 */
export async function convertCheckpoint(
  bytes: Uint8Array,
  options: ConvertOptions = {},
): Promise<Conversion> {
  const imageSize = options.imageSize ?? 224;
  checkImageSize(imageSize);
  const { file, gzip } = await ungzip(bytes);
  const hashing = sha256(file);
  const checkpoint = await readCheckpoint(
    file,
    options.crc32 === undefined ? {} : { crc32: options.crc32 },
  );
  const candidate = selectStateDict(checkpoint.value, { key: options.key, fit: fitOf });
  const { stateDict, prefix } = stripPrefixes(candidate);
  const match = matchStateDict(stateDict, candidate);
  const digest = await hashing;
  const official = digest?.startsWith(OFFICIAL.sha256) === true && file.length === OFFICIAL.bytes;
  const transformInput = options.transformInput ?? official;
  const model = describeModel({ ...match, imageSize, transformInput });
  const { data, nonFinite } = computeWeights(stateDict, model.weights, match.branch3Kernel);
  const provenance: Provenance = {
    tool: `pth2tfjs ${VERSION}`,
    network: 'googlenet',
    source: describeSource({ ...checkpoint.container, gzip }, options.sourceName, digest),
    stateDict: { path: candidate.path, prefix },
    branch3Kernel: match.branch3Kernel,
    transformInput,
    numClasses: match.numClasses,
    input: {
      layout: 'NHWC',
      shape: [null, imageSize, imageSize, 3],
      channels: 'RGB',
      mean: IMAGENET_MEAN,
      std: IMAGENET_STD,
    },
    ignoredKeys: match.ignored,
  };
  const { topology, weights } = model;
  const metadata = { pth2tfjs: provenance };
  return {
    files: toArtifacts({ topology, weights, data, metadata, generatedBy: provenance.tool }),
    provenance,
    tensors: listTensors(checkpoint.value).size,
    parameters: data.length,
    warnings: collectWarnings(options.transformInput === undefined && !official, nonFinite),
  };
}

function describeSource(
  container: Container,
  name: string | undefined,
  digest: string | undefined,
): Provenance['source'] {
  return {
    name: name ?? null,
    bytes: container.byteLength,
    sha256: digest ?? null,
    container: container.format,
    containerVersion: container.version,
    pickleProtocol: container.pickleProtocol,
    byteOrder: container.byteOrder,
    gzip: container.gzip,
  };
}

function collectWarnings(guessedTransform: boolean, nonFinite: readonly string[]): string[] {
  const warnings: string[] = [];
  if (guessedTransform) {
    warnings.push(
      "transform_input is taken to be off, since a state dict does not record it; pass --transform-input if the model was fine-tuned from torchvision's official weights (print(model.transform_input) in Python tells)",
    );
  }
  if (nonFinite.length > 0) {
    warnings.push(
      `weights that are infinite or no number in ${nonFinite.join(', ')}: the model will give NaN`,
    );
  }
  return warnings;
}

/** SHA-256 as lowercase hex; undefined where Web Crypto is absent, as on insecure web pages. */
export async function sha256(bytes: Uint8Array): Promise<string | undefined> {
  const subtle = globalThis.crypto?.subtle;
  if (subtle === undefined) return undefined;
  const digest = await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return toHex(new Uint8Array(digest));
}
