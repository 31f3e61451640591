import type { LayerJSON } from '../stored-model/editable-model.js';
import type { Provenance } from '../stored-model/provenance.js';
import type { InputKind } from '../targets/formats.js';

/** A loaded model of one image input and one row of logits. */
export interface LoadedModel extends Network {
  /** What a model that `convert` wrote remembers of its source; null for others. */
  readonly provenance: Provenance | null;
}

/** What runs. */
export interface Network {
  /** `[null, height, width, 3]` without the batch: `[batch, height, width, channels]`. */
  readonly inputShape: readonly [batch: null, height: number, width: number, channels: number];
  readonly numClasses: number;
  /** What the model itself takes. */
  readonly input: InputKind;
  /**
   * Runs one image or a batch, NHWC `[images, height, width, 3]`, normalised. A model that takes pixels
   * gets those that the batch was made of.
   * @returns logits `[images, numClasses]`
   * @throws Pth2tfjsError `image` where the model takes pixels and the batch was not made of any
   */
  predict(batch: Float32Array): Promise<Float32Array>;
  /**
   * Runs a batch like `predict`, and shows each layer's output to `visit`.
   * @param otherwise what a layers model does otherwise
   * @returns logits `[images, numClasses]`
   */
  trace(batch: Float32Array, visit: LayerVisitor, otherwise?: Otherwise): Promise<Float32Array>;
  /** The names of the layers, in the order in which `trace` runs them. */
  readonly layers: readonly string[];
  /** Puts other numbers into weights, by their names in model.json, such as `conv1/kernel`. */
  setWeights(changes: ReadonlyMap<string, Float32Array>): void;
  dispose(): void;
}

/** How a run differs from a model's own. */
export interface Otherwise {
  /**
   * To run in place of the model's layers, in the order of running and for images of whatever size; those
   * that hold weights must be the model's.
   */
  readonly layers?: readonly LayerJSON[] | undefined;
  /** Layers that are not run nor visited: what they gave before, by their names. */
  readonly known?: ReadonlyMap<string, LayerOutput> | undefined;
}

/** Channels last. */
export interface LayerOutput {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/**
 * Sees each layer's output on its way; what it resolves to, if anything, goes on in its place and
 * must be of the same length. `read` fetches the values, channels last.
 */
export type LayerVisitor = (
  layer: string,
  shape: readonly number[],
  read: () => Promise<Float32Array>,
) => Promise<Float32Array | undefined> | undefined;
