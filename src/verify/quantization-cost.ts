import { type Parameters, parametersOf } from '../runtimes/reference/parameters.js';
import type { QuantizationSpec } from '../stored-model/quantization.js';
import type { StoredNetwork } from '../stored-model/stored-network.js';
import type { Golden } from './golden.js';
import { apart, type Run, runOnce } from './noise.js';

/**
 * What it costs to have stored weights in fewer bits. What was rounded away is lost; but to move each stored number at
 * random within half the step that it was rounded by moves the logits about as far as the rounding did.
 */
export class CostMeter {
  private readonly moved: readonly Parameters[];

  constructor(
    private readonly network: StoredNetwork,
    private readonly golden: Golden,
  ) {
    const { read, folded, quantizationOf } = network;
    this.moved = SEEDS.map((seed) => {
      const known = new Map<string, Float32Array>();
      const moved = (key: string) => {
        const values = known.get(key) ?? move(read(key), quantizationOf(key), seed ^ known.size);
        known.set(key, values);
        return values;
      };
      return parametersOf(moved, 'float64', folded);
    });
  }

  /**
   * How far such a rounding moves an image's logits, as ‖Δ‖/‖ref‖: the most of some that were drawn.
   * @param exact what the model's graph gives in float64
   */
  measure(image: number, exact: Run): number {
    const [, channels, height, width] = this.golden.shape;
    const pixels = channels * height * width;
    const input = this.golden.input.subarray(image * pixels, (image + 1) * pixels);
    const moved = this.moved.map((parameters) =>
      apart(runOnce(this.network.graph, parameters, input, 'float64'), exact),
    );
    return Math.max(...moved);
  }
}

/** Fixed, so that a model always gets the same verdict. */
const SEEDS = [0x9e3779b9, 0x85ebca6b, 0xc2b2ae35] as const;

/** How many runs an image takes. */
export const COST_RUNS = SEEDS.length;

/** Moves each number by up to half a step of its grid, every distance as likely as another. */
function move(
  values: Float32Array,
  quantization: QuantizationSpec | undefined,
  seed: number,
): Float32Array {
  if (quantization === undefined) return values;
  const { dtype, scale = 1 } = quantization;
  const random = randomNumbers(seed);
  const moved = values.slice();
  const words = new Uint32Array(moved.buffer);
  for (let i = 0; i < moved.length; i++) {
    const step =
      dtype === 'float16' ? (HALF_STEPS[((words[i] as number) >>> 23) & 0xff] as number) : scale;
    moved[i] = (values[i] as number) + step * (random() - 0.5);
  }
  return moved;
}

/** The distance of two neighbouring halves about a number, by the exponent of its float32. */
const HALF_STEPS = Float64Array.from(
  { length: 256 },
  (_, exponent) => 2 ** (Math.max(exponent - 127, -14) - 10),
);

/** Uniform in [0, 1): mulberry32, which is enough to draw errors of rounding. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
