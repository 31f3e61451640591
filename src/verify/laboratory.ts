import type { StateDict } from '../checkpoint/tensor/tensor.js';
import { inferenceGraph } from '../describe-model.js';
import { type FoldBatchNorm, foldBatchNorm } from '../network/plan.js';
import type { Graph } from '../network/trace.js';
import { NETWORK, type Variant } from '../networks/index.js';
import { toNCHW } from '../numbers/layout.js';
import type { LayerOutput } from '../runtimes/loaded-model.js';
import { type LayerVisitor, type LoadedModel, loadStored } from '../runtimes/tfjs/load.js';
import {
  closeModel,
  type EditableModel,
  type LayerJSON,
  openModel,
  withWeights,
} from '../stored-model/editable-model.js';
import { shapesIn } from '../stored-model/read-options.js';
import type { StoredModel } from '../stored-model/stored-model.js';
import type { KerasModel } from '../targets/keras/graph.js';
import { describeKeras } from '../targets/keras/lower.js';
import { compareLogits, measureErrors } from './compare.js';
import { batchNHWC, type Golden, imageNHWC } from './golden.js';
import type { LayerReport } from './layers.js';
import { inOrder, unchangedLayers, whatHoldsWeights } from './layers-alike.js';
import { UnfoldedWeights } from './unfolded-weights.js';

/** What is done otherwise in a trial. */
export interface Variation {
  /** Gives the input to use: NCHW, of the same shape but for its size. */
  readonly input?: (input: Float32Array) => Float32Array;
  /** The side of the input's images, where it is another. */
  readonly imageSize?: number;
  /** The model to use. */
  readonly model?: EditableModel;
  /** Sees each layer's output, and may replace it. */
  readonly visit?: LayerVisitor;
  /** Gives what the logits are compared as, row by row. */
  readonly logits?: (logits: Float32Array) => Float32Array;
}

/** A state dict, and how it fits the network. */
export interface Weights extends Variant {
  readonly stateDict: StateDict;
}

/**
 * Where suspects are tried: the model, the golden file, and what else is known. All trials run on
 * TensorFlow.js's current backend.
 */
export class Laboratory {
  readonly model: EditableModel;
  /** The layers that the network should have, at this size, with the model's transform_input. */
  readonly canonical: readonly LayerJSON[];
  private loaded: Loaded[] = [];
  private right: EditableModel | undefined;
  private unfolded: UnfoldedWeights | undefined;
  /** What the model's layers give for the first image. */
  private first: ReadonlyMap<string, LayerOutput> | undefined;

  constructor(
    stored: StoredModel,
    readonly golden: Golden,
    /** The error below which a gap counts as closed. */
    readonly goal: number,
    /** As measured before; null without activations. */
    readonly layers: LayerReport | null,
    /** What the model was made of; null where it is not at hand. */
    readonly checkpoint: Weights | null,
  ) {
    this.model = openModel(stored);
    this.canonical = this.layersFor(golden.shape[2]);
  }

  /** Whether the model has a transform_input layer. */
  get transformInput(): boolean {
    return this.model.layers.some(({ name }) => name === 'transform_input');
  }

  /** The layers that the network should have for images of another size. */
  layersFor(imageSize: number): readonly LayerJSON[] {
    return toLayers(this.describe(imageSize));
  }

  private describe(imageSize: number): KerasModel {
    return describeKeras(this.graphFor(imageSize), NETWORK.id);
  }

  /** What the shapes of the model's weights tell of the network. */
  get variant(): Variant {
    return NETWORK.variant(shapesIn((name) => this.model.weights.get(name)?.shape, true));
  }

  /** The network's graph for images of another size. */
  graphFor(imageSize: number): Graph {
    return inferenceGraph({
      imageSize,
      numClasses: this.golden.numClasses,
      ...this.variant,
      transformInput: this.transformInput,
    });
  }

  /** The model as it should be made from the checkpoint, with a BatchNorm of one's choice. */
  fromCheckpoint(batchNorm?: FoldBatchNorm): EditableModel | null {
    if (this.checkpoint === null) return null;
    if (batchNorm !== undefined) return this.folded(this.checkpoint, batchNorm);
    this.right ??= this.folded(this.checkpoint, foldBatchNorm);
    return this.right;
  }

  private folded(checkpoint: Weights, batchNorm: FoldBatchNorm): EditableModel {
    const { tensors } = this.describe(this.golden.shape[2]);
    this.unfolded ??= new UnfoldedWeights(tensors, checkpoint.stateDict);
    const weights = this.unfolded.fold(batchNorm);
    return withWeights({ ...this.model, layers: this.canonical, weights }, new Map());
  }

  /**
   * Largest relative error of an image. The first image beyond `enough` decides alone, which spares
   * the others where only a closed gap is of interest.
   */
  async error(variation: Variation, enough: number = this.goal): Promise<number> {
    const { golden } = this;
    const input = variation.input?.(golden.input) ?? golden.input;
    const [images, channels, usual] = golden.shape;
    const { imageSize: side = usual } = variation;
    const known = await this.knownOutputs(variation);
    const run = await this.load(variation.model);
    let worst = 0;
    for (let image = 0; image < images; image++) {
      const pixels = imageNHWC({ input, shape: [images, channels, side, side] }, image);
      const visit = variation.visit && forImage(variation.visit, image);
      const actual = await run(pixels, visit, image === 0 ? known : undefined);
      worst = Math.max(worst, this.rowError(image, variation.logits?.(actual) ?? actual));
      if (!(worst <= enough)) return worst;
    }
    return worst;
  }

  /** Whether an input also gives the first recorded layer that differs, and not only the logits. */
  async explainsLayer(input: (values: Float32Array) => Float32Array): Promise<boolean> {
    const layer = this.layers?.firstJump;
    const recorded = this.golden.activations.get(layer ?? '');
    if (recorded === undefined) return true;
    let error = Infinity;
    const batch = batchNHWC({ ...this.golden, input: input(this.golden.input) });
    await this.runBatch(undefined, batch, async (name, shape, read) => {
      if (name !== layer) return undefined;
      error = measureErrors(recorded.data, toNCHW(await read(), shape)).relativeError;
      return undefined;
    });
    return error <= this.goal;
  }

  /** Runs all images as one batch; for what depends on the whole batch. */
  async runBatch(model: EditableModel | undefined, batch: Float32Array, visit: LayerVisitor) {
    const run = await this.load(model);
    return run(batch, visit);
  }

  /** The relative error of one image's logits. */
  rowError(image: number, actual: Float32Array, logits = this.golden.logits): number {
    const { numClasses } = this.golden;
    const expected = logits.subarray(image * numClasses, (image + 1) * numClasses);
    const tolerance = { rtol: null, atol: null, top1: false };
    const { required } = compareLogits(expected, actual, numClasses, tolerance);
    // Without a number there is no closer and no farther; it is as far as can be.
    return Number.isNaN(required.rtol) ? Infinity : required.rtol;
  }

  /** The largest of all images' relative errors, from logits `[images, numClasses]`. */
  worstRowError(actual: Float32Array, expected = this.golden.logits): number {
    const { shape, numClasses } = this.golden;
    const errors = Array.from({ length: shape[0] }, (_, image) =>
      this.rowError(image, actual.subarray(image * numClasses, (image + 1) * numClasses), expected),
    );
    return Math.max(...errors);
  }

  /** Loading takes longer than running, so that models whose weights fit into the same layers share one. */
  private async load(model: EditableModel = this.model): Promise<Run> {
    const { layers } = model;
    const key = JSON.stringify(inOrder(layers) ? layers.flatMap(whatHoldsWeights) : layers);
    const known = this.loaded.find((each) => each.key === key);
    if (known === undefined) {
      while (this.loaded.length >= MOST_LOADED) this.loaded.shift()?.model.dispose();
      const loaded = await loadStored(closeModel(model));
      this.loaded.push({ key, layers, model: loaded, weights: model.weights });
      return runOf(loaded, undefined);
    }
    const changes = [...model.weights]
      .filter(([name, { data }]) => known.weights.get(name)?.data !== data)
      .map(([name, { data }]) => [name, data] as const);
    known.model.setWeights(new Map(changes));
    known.weights = model.weights;
    return runOf(known.model, known.layers === layers ? undefined : layers);
  }

  /**
   * What the layers before the first one that a trial changes give for the first image: most trials end
   * with that image, and many change a late layer alone.
   */
  private async knownOutputs({ model, input, visit, imageSize }: Variation) {
    if (!model || input || visit || imageSize !== undefined) return undefined;
    const names = unchangedLayers(this.model, model);
    if (names.length === 0) return undefined;
    this.first ??= await this.outputsOfFirst();
    const outputs = [...this.first];
    return new Map(outputs.filter(([name]) => names.includes(name)));
  }

  private async outputsOfFirst(): Promise<ReadonlyMap<string, LayerOutput>> {
    const outputs = new Map<string, LayerOutput>();
    await this.runBatch(undefined, imageNHWC(this.golden, 0), async (name, shape, read) => {
      outputs.set(name, { shape, values: (await read()).slice() });
      return undefined;
    });
    return outputs;
  }

  dispose(): void {
    for (const { model } of this.loaded.splice(0)) model.dispose();
  }
}

/** Layers to be edited. */
export function toLayers({ layers }: KerasModel): LayerJSON[] {
  return structuredClone(layers) as unknown as LayerJSON[];
}

interface Loaded {
  readonly key: string;
  readonly layers: readonly LayerJSON[];
  readonly model: LoadedModel;
  /** What it holds at the moment. */
  weights: EditableModel['weights'];
}

/** Gives the logits of a batch. */
type Run = (
  batch: Float32Array,
  visit?: LayerVisitor,
  known?: ReadonlyMap<string, LayerOutput>,
) => Promise<Float32Array>;

function runOf(model: LoadedModel, layers: readonly LayerJSON[] | undefined): Run {
  return (batch, visit, known) =>
    visit || layers || known
      ? model.trace(batch, visit ?? (() => undefined), { layers, known })
      : model.predict(batch);
}

const MOST_LOADED = 3;

/** Tells a visitor which image it sees, as the index of the batch's only one. */
function forImage(visit: LayerVisitor, image: number): LayerVisitor {
  return (layer, shape, read) => visit(layer, [image, ...shape.slice(1)], read);
}
