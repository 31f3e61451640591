import type { io } from '@tensorflow/tfjs-core';
import type { TfjsFormat } from '../targets/formats.js';
import type { NamedBytes } from './artifacts.js';
import { isObject, specsOf } from './model-json.js';
import { parseProvenance } from './parse-provenance.js';
import type { Provenance } from './provenance.js';

/**
 * A model as it is stored: a model.json that has been parsed and checked, and the weight files that it names.
 * What takes one need look at neither again: those of `open.ts` and `with-shards.ts` are checked, and no others
 * are made.
 */
export class StoredModel {
  readonly format: TfjsFormat;
  /** The tensors, in the order in which they lie in the weight files. */
  readonly specs: readonly io.WeightsManifestEntry[];
  /** How many bytes the weight files have in all. */
  readonly weightBytes: number;
  private remembered: Provenance | null | undefined;

  constructor(
    /** Not to be changed. */
    readonly json: io.ModelJSON,
    /** The weight files in the order of model.json, each under the name that it has there. */
    readonly shards: readonly NamedBytes[],
    /** How long the text of model.json is; none of what was put together in memory. */
    private readonly textBytes = 0,
  ) {
    this.format = formatOf(json);
    this.specs = specsOf(json);
    this.weightBytes = shards.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** How many bytes all its files have. */
  get bytes(): number {
    return this.textBytes + this.weightBytes;
  }

  /**
   * What a model that `convert` wrote remembers of its source; null for others. It is checked when it is first
   * asked for, so that it stops nobody who has no use for it.
   * @throws Pth2tfjsError `model` where it makes no sense
   */
  get provenance(): Provenance | null {
    if (this.remembered === undefined) {
      this.remembered = provenanceIn(this.json.userDefinedMetadata);
    }
    return this.remembered;
  }
}

/** A graph is a list of nodes; Keras has a class name and a configuration. */
export function formatOf({ modelTopology }: Pick<io.ModelArtifacts, 'modelTopology'>): TfjsFormat {
  return isObject(modelTopology) && 'node' in modelTopology ? 'graph' : 'layers';
}

/**
 * What stands of a model's source in `userDefinedMetadata`; null where nothing does.
 * @throws Pth2tfjsError `model` where it makes no sense
 */
export function provenanceIn(metadata: unknown): Provenance | null {
  if (!isObject(metadata) || !('pth2tfjs' in metadata)) return null;
  const { pth2tfjs } = metadata;
  return parseProvenance(pth2tfjs);
}
