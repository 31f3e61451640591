import { toNCHW } from '../numbers/layout.js';
import type { LoadedModel } from '../runtimes/loaded-model.js';
import { measureErrors } from './compare.js';
import { type Activation, batchNHWC, type Golden } from './golden.js';
import { networkLayers } from './structure.js';

/** Summary of one layer's values over all images. */
export interface Statistics {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly std: number;
}

/** How one layer's output compares with what PyTorch recorded, over all images together. */
export interface LayerComparison {
  /** The torch module's name, such as `conv1`. */
  readonly layer: string;
  /** As recorded: NCHW, or `[images, features]`. */
  readonly shape: readonly number[];
  /** ‖actual − expected‖ / ‖expected‖; infinite where the shapes differ. */
  readonly relativeError: number;
  readonly maxAbsoluteError: number;
  readonly expected: Statistics;
  readonly actual: Statistics;
  /** The shape that the model gives, where it is another one. */
  readonly actualShape: readonly number[] | null;
}

/** All layers that the golden file holds, in network order. */
export interface LayerReport {
  readonly layers: readonly LayerComparison[];
  /** The first layer whose error jumps; null when none does. */
  readonly firstJump: string | null;
  /** Activations of the golden file that the model has no layer for, such as those inside a folded block. */
  readonly unmatched: readonly string[];
}

/** torch's modules in forward order, as far as the model has layers for them. */
export const NETWORK_ORDER: readonly string[] = networkLayers().map(({ path }) => path);

/**
 * Runs all images layer by layer, and compares each layer that the golden file records.
 * @param bound the relative error below which an error never counts as a jump
 * @param onLayer told the layer's name as each is reached
 */
export async function compareLayers(
  model: LoadedModel,
  golden: Golden,
  bound: number,
  onLayer?: (layer: string) => void,
): Promise<LayerReport> {
  const compared = new Map<string, LayerComparison>();
  await model.trace(batchNHWC(golden), (layer, shape, read) => {
    onLayer?.(layer);
    const recorded = golden.activations.get(layer);
    if (recorded === undefined) return undefined;
    return read().then((values) => {
      compared.set(layer, compareLayer(layer, recorded, toNCHW(values, shape), shape));
      return undefined;
    });
  });
  const position = (name: string) => {
    const at = NETWORK_ORDER.indexOf(name);
    return at < 0 ? NETWORK_ORDER.length : at;
  };
  const layers = [...compared.values()].sort((a, b) => position(a.layer) - position(b.layer));
  return {
    layers,
    firstJump: findJump(layers, bound),
    unmatched: [...golden.activations.keys()].filter((name) => !compared.has(name)),
  };
}

function compareLayer(
  layer: string,
  { shape, data }: Activation,
  actual: Float32Array,
  actualShape: readonly number[],
): LayerComparison {
  const same = sameShape(shape, torchShape(actualShape));
  const { relativeError, maxAbsoluteError } = same
    ? measureErrors(data, actual)
    : { relativeError: Infinity, maxAbsoluteError: Infinity };
  return {
    layer,
    shape,
    relativeError,
    maxAbsoluteError,
    expected: statistics(data),
    actual: statistics(actual),
    actualShape: same ? null : torchShape(actualShape),
  };
}

/** Channels-last shape as PyTorch has it. */
function torchShape(shape: readonly number[]): number[] {
  const [images = 0, ...rest] = shape;
  const channels = rest.pop() ?? 0;
  return [images, channels, ...rest];
}

/** PyTorch's pooled features are `[n, c, 1, 1]`, the model's `[n, c]`. */
function sameShape(a: readonly number[], b: readonly number[]): boolean {
  const trim = (shape: readonly number[]) =>
    shape.filter(
      (size, axis) => axis < 2 || shape.slice(2).some((each) => each !== 1) || size !== 1,
    );
  return String(trim(a)) === String(trim(b));
}

/**
 * The first layer in network order that is beyond the bound and whose error is ten times that of
 * every layer before it: rounding grows by less from one layer to the next, a fault by more.
 */
function findJump(layers: readonly LayerComparison[], bound: number): string | null {
  let before = 0;
  for (const { layer, relativeError } of layers) {
    if (!(relativeError <= bound) && !(relativeError < 10 * before)) return layer;
    before = Math.max(before, relativeError);
  }
  return null;
}

function statistics(values: Float32Array): Statistics {
  let [min, max, sum, squares] = [Infinity, -Infinity, 0, 0];
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value;
    squares += value ** 2;
  }
  const mean = sum / values.length;
  return { min, max, mean, std: Math.sqrt(Math.max(0, squares / values.length - mean ** 2)) };
}
