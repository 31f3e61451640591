import { findAffine } from '../describe-model.js';
import { topK } from '../numbers/logits.js';
import { readStoredNetwork } from '../stored-model/stored-network.js';
import type { AnyModel } from '../stored-model/stored-onnx.js';
import type { Golden } from './golden.js';
import type { Weights } from './laboratory.js';
import { distance, NoiseMeter } from './noise.js';
import { COST_RUNS, CostMeter } from './quantization-cost.js';

/**
 * The bound on an image's relative error, from the rounding that a correct run in float32 may show: that of the
 * backend, and that of PyTorch when it made the golden file.
 */

/** Where a bound comes from. */
export type Basis =
  /** The caller gave it. */
  | { readonly from: 'given' }
  /** Every image is so near that no noise need be measured. */
  | { readonly from: 'near' }
  | { readonly from: 'measured'; readonly noise: MeasuredNoise }
  /** From what rounding the stored weights may cost. */
  | { readonly from: 'quantized'; readonly cost: QuantizedCost }
  | { readonly from: 'default'; readonly why: WhyDefault };

/** Why nothing was measured. */
export type WhyDefault =
  /** It would take too long. */
  | 'macs'
  /** The error is beyond all that rounding may excuse. */
  | 'beyond'
  /** The model is not as `convert` writes it. */
  | 'graph'
  /** The backend computes in less than float32. */
  | 'precision';

export interface MeasuredNoise {
  /** Largest of an image, as ‖Δ‖/‖ref‖: of the model's graph, and of PyTorch's. */
  readonly graph: number;
  readonly torch: number;
  /** Whether PyTorch's own graph was run, which takes the checkpoint; else it is taken to be as noisy. */
  readonly withCheckpoint: boolean;
  /** Largest distance of an image from float64. */
  readonly backendError: number;
  readonly goldenError: number;
}

/** A quantised model is right if it runs as stored, and if storing it costs what rounding explains. */
export interface QuantizedCost {
  /** Largest distance of an image: the backend from float64 of the stored weights, and its bound. */
  readonly runError: number;
  readonly runBound: number;
  /** The same of float64 of the stored weights from the golden file. */
  readonly cost: number;
  readonly costBound: number;
  /** Images whose most probable class is another one than in PyTorch. */
  readonly top1Changes: number;
}

/**
 * Two correct runs lie apart by the noise of one and that of the other. Over the images of 100 random networks the
 * distance was 0.3 to 1.5 times the sum that is measured here, and a factor of three leaves twice the largest.
 */
export const FACTOR = 3;

/** Over 60 models of random networks the cost was 0.04 to 1.6 times what is drawn, the most of three. */
const COST_FACTOR = 3;

/** As far as logits that have nothing to do with each other: what costs more is worth nothing, whatever explains it. */
const LARGEST_COST = 1;

/** No network is allowed more: a fault that makes it ill-conditioned would excuse itself. */
export const LARGEST_BOUND = 1e-4;

/** What is this near passes: some eight units in the last place of float32. */
export const NEAR = 1e-6;

/** About a second, on a processor of 2020; GoogLeNet takes 1.5e9 once for an image of 224 pixels. */
const MOST_MACS = 1.5e9;

/** What is measured, and beside what. */
export interface Measured {
  readonly stored: AnyModel;
  readonly golden: Golden;
  /** `[images, classes]`, as the backend gave them. */
  readonly logits: Float32Array;
  /** Each image's distance from PyTorch. */
  readonly errors: readonly number[];
  /** The checkpoint's, where it is at hand. */
  readonly weights: Weights | null;
  /** Whether the backend's own runs round to float32. */
  readonly rounds: boolean;
  /** Measure whatever it takes. */
  readonly always: boolean;
}

/** The bound, with its basis; no bound where the default is to be taken. */
export interface Bound {
  readonly rtol?: number;
  readonly basis: Basis;
}

export function measureBound(measured: Measured): Bound {
  const { errors, always } = measured;
  const worst = Math.max(...errors);
  if (worst <= NEAR) return { rtol: NEAR, basis: { from: 'near' } };
  if (!(worst <= LARGEST_BOUND) && !always) return unmeasured('beyond');
  const images = [...errors.keys()].filter((image) => !((errors[image] as number) <= NEAR));
  const meter = meterFor(measured, images.length);
  return typeof meter === 'string' ? unmeasured(meter) : measureImages(measured, meter, images);
}

const unmeasured = (why: WhyDefault): Bound => ({ basis: { from: 'default', why } });

interface Meter {
  readonly meter: NoiseMeter;
  readonly withCheckpoint: boolean;
}

/** The bound for a model whose weights are stored in fewer bits than float32. */
export function measureQuantized(measured: Omit<Measured, 'weights'>): Bound {
  const { stored, golden, logits, errors, always, rounds } = measured;
  const network = readStoredNetwork(stored);
  if (network === null || !errors.every(Number.isFinite)) {
    return unmeasured(network === null ? 'graph' : 'beyond');
  }
  const meter = new NoiseMeter(network, golden, null, false);
  const macs = meter.macs * (1 + COST_RUNS / meter.runs) * errors.length;
  if (!always && macs > MOST_MACS) return unmeasured('macs');
  const costs = new CostMeter(network, golden);
  const { numClasses } = golden;
  const row = (all: Float32Array, image: number) =>
    all.subarray(image * numClasses, (image + 1) * numClasses);
  let [runError, cost, noise, drawn, top1Changes] = [0, 0, 0, 0, 0];
  for (const image of errors.keys()) {
    const { graph, exact } = meter.measure(image);
    noise = Math.max(noise, graph);
    runError = Math.max(runError, distance(row(logits, image), exact.logits));
    cost = Math.max(cost, distance(row(golden.logits, image), exact.logits));
    drawn = Math.max(drawn, costs.measure(image, exact));
    const [[found], [expected]] = [logits, golden.logits].map((all) =>
      topK(row(all, image), 1),
    ) as [number[], number[]];
    if (found !== expected) top1Changes++;
  }
  const runBound = rounded(Math.min(LARGEST_BOUND, FACTOR * noise * (rounds ? 1 : 0) + NEAR));
  const costBound = rounded(Math.min(LARGEST_COST, COST_FACTOR * drawn + FACTOR * noise));
  const basis = {
    from: 'quantized',
    cost: { runError, runBound, cost, costBound, top1Changes },
  } as const;
  // Whatever PyTorch's logits are near to, a backend that does not run what is stored has no business with it.
  if (runError > runBound) return { rtol: 0, basis };
  return { rtol: rounded(costBound + runBound), basis };
}

/** For people, who read it. */
const rounded = (bound: number) => Number(bound.toPrecision(3));

/** With PyTorch's graph beside the model's, if that does not take too long. */
function meterFor(
  { stored, golden, weights, always }: Pick<Measured, 'stored' | 'golden' | 'weights' | 'always'>,
  images: number,
): Meter | WhyDefault {
  const network = readStoredNetwork(stored);
  if (network === null) return 'graph';
  const transformInput = findAffine(network.graph) !== undefined;
  const fits = (meter: NoiseMeter) => always || meter.macs * images <= MOST_MACS;
  if (weights !== null) {
    const meter = new NoiseMeter(network, golden, weights, transformInput);
    if (fits(meter)) return { meter, withCheckpoint: true };
  }
  const meter = new NoiseMeter(network, golden, null, transformInput);
  return fits(meter) ? { meter, withCheckpoint: false } : 'macs';
}

function measureImages(
  { golden, logits, rounds }: Measured,
  { meter, withCheckpoint }: Meter,
  images: readonly number[],
): Bound {
  const { numClasses } = golden;
  const row = (all: Float32Array, image: number) =>
    all.subarray(image * numClasses, (image + 1) * numClasses);
  let [graph, torch, sum, backendError, goldenError] = [0, 0, 0, 0, 0];
  for (const image of images) {
    const noise = meter.measure(image);
    const own = rounds ? noise.graph : 0;
    graph = Math.max(graph, own);
    torch = Math.max(torch, noise.torch);
    sum = Math.max(sum, own + noise.torch);
    backendError = Math.max(backendError, distance(row(logits, image), noise.exact.logits));
    goldenError = Math.max(goldenError, distance(row(golden.logits, image), noise.exact.logits));
  }
  const noise = { graph, torch, withCheckpoint, backendError, goldenError };
  const rtol = rounded(Math.min(LARGEST_BOUND, Math.max(NEAR, FACTOR * sum)));
  return { rtol, basis: { from: 'measured', noise } };
}

/**
 * The bound that a network's noise alone would ask for, where that is more than any is given; undefined where it
 * is not, or would take too long to measure.
 */
export function noiseBeyond(measured: Measured, image: number): number | undefined {
  const meter = meterFor({ ...measured, always: false }, 1);
  if (typeof meter === 'string') return undefined;
  const { graph, torch } = meter.meter.measure(image);
  const bound = FACTOR * (graph + torch);
  return bound > LARGEST_BOUND ? bound : undefined;
}
