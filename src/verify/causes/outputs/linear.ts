import type { Laboratory } from '../../laboratory.js';
import type { Planes } from '../../local/planes.js';
import { BFLOAT16, FLOAT16, TF32, TF32_CUT } from '../../rounding.js';
import { CLASSIFIER } from '../../structure.js';
import { INTEGER_ROUNDINGS } from '../integers.js';
import type { Explanation } from '../one-layer/explanation.js';
import { outputOrders } from './orders.js';
import { distance, fitScale, mapRows, type Rows, rowAt, rowsOf, worstDistance } from './rows.js';

/** A linear layer: what goes in, what should come out, and what does. */
export interface LinearCase {
  readonly features: Rows;
  /** `[features, classes]`. */
  readonly kernel: Float32Array;
  readonly bias: Float32Array;
  readonly expected: Rows;
}

/** The model's own classifier, which is the checkpoint's where that is at hand: the weights are compared first. */
export function linearCase(
  { model, golden }: Laboratory,
  features: Planes,
  expected: Rows,
): LinearCase | undefined {
  const [kernel, bias] = ['kernel', 'bias'].map(
    (field) => model.weights.get(`${CLASSIFIER}/${field}`)?.data,
  );
  const rows = rowsOf(features.data, golden.shape[0]);
  if (!kernel || !bias || rows.columns * bias.length !== kernel.length) return undefined;
  return { features: rows, kernel, bias, expected };
}

type Story = Omit<Explanation, 'error' | 'summary'> & { readonly text: string };

const [KERNEL, BIAS] = [`${CLASSIFIER}/kernel`, `${CLASSIFIER}/bias`] as const;
const LOOK = `Look at what PyTorch loaded into ${CLASSIFIER}, or at its code.`;

/** The layer as it should be. */
export function linear({ features, kernel, bias }: LinearCase): Rows {
  const columns = bias.length;
  const values = new Float64Array(features.images * columns);
  for (let image = 0; image < features.images; image++) {
    const out = values.subarray(image * columns, (image + 1) * columns);
    out.set(bias);
    for (const [f, feature] of rowAt(features, image).entries()) {
      if (feature === 0) continue;
      for (let c = 0; c < columns; c++) {
        out[c] = (out[c] as number) + feature * (kernel[f * columns + c] as number);
      }
    }
  }
  return { values, images: features.images, columns };
}

/** Why the classifier gives what it gives: a bias, a scale, some classes, one feature, rounding. */
export function explainLinear(each: LinearCase, goal: number): Explanation | undefined {
  const usual = linear(each);
  for (const [story, outputs] of candidates(each, usual)) {
    const error = worstDistance(each.expected, outputs);
    if (!(error <= goal)) continue;
    const { text, ...rest } = story;
    return { ...rest, summary: () => text, error };
  }
  return undefined;
}

function* candidates(each: LinearCase, usual: Rows): Iterable<readonly [Story, Rows]> {
  const { bias, expected, kernel } = each;
  const products = mapRows(usual, (row) => row.map((value, c) => value - (bias[c] as number)));
  const wanted = mapRows(expected, (row) => row.map((value, c) => value - (bias[c] as number)));
  const withBias = (rows: Rows, factor = 1) =>
    mapRows(rows, (row) => row.map((value, c) => value + factor * (bias[c] as number)));
  yield [tensorStory(BIAS, `PyTorch's ${CLASSIFIER}.bias is lost: all zero`), products];
  const both = fitScale(expected.values, usual.values);
  const scaled = mapRows(usual, (row) => row.map((value) => value * both));
  yield [
    tensorStory(
      CLASSIFIER,
      `PyTorch's ${CLASSIFIER} has ${rounded(both)} times the weights and the bias`,
    ),
    scaled,
  ];
  const factor = fitScale(wanted.values, products.values);
  const heavier = withBias(mapRows(products, (row) => row.map((value) => value * factor)));
  yield [
    tensorStory(
      KERNEL,
      `PyTorch's ${CLASSIFIER}.weight is ${rounded(factor)} times what it should be`,
    ),
    heavier,
  ];
  for (const { summary, outputs } of outputOrders(products, wanted, 1e-4)) {
    yield [tensorStory(KERNEL, `${summary}, in ${CLASSIFIER}.weight`), withBias(outputs)];
  }
  yield* changedBias(each, usual);
  yield* fewClasses(each, usual);
  yield* oneFeature(each, usual);
  for (const rounding of [FLOAT16, BFLOAT16, TF32, TF32_CUT]) {
    const name = `rounded to ${rounding.name}`;
    const outputs = linear({ ...each, kernel: rounding.round(kernel), bias: rounding.round(bias) });
    yield [
      {
        ...tensorStory(CLASSIFIER, `PyTorch's ${CLASSIFIER} is ${name}`),
        key: name,
        id: `precision-${rounding.name}`,
      },
      outputs,
    ];
  }
  for (const { bits, round } of INTEGER_ROUNDINGS) {
    const name = `rounded to integers of ${bits} bits`;
    yield [
      {
        ...tensorStory(KERNEL, `PyTorch's ${CLASSIFIER}.weight is ${name}`),
        key: name,
        id: 'precision-int',
      },
      linear({ ...each, kernel: round(kernel, bias.length) }),
    ];
  }
  const turned = transposed(kernel, bias.length);
  yield [
    tensorStory(
      KERNEL,
      `PyTorch's ${CLASSIFIER}.weight is read in the wrong order: its axes are mixed up`,
    ),
    linear({ ...each, kernel: turned }),
  ];
}

function tensorStory(tensor: string, text: string): Story {
  return { key: text, id: 'corrupt-tensor', tensor, text, cure: LOOK };
}

/** A changed bias moves every image by the same amount; which tells nothing where all images are alike. */
function* changedBias(each: LinearCase, usual: Rows): Iterable<readonly [Story, Rows]> {
  const { expected, features } = each;
  if (expected.images < 2 || !differ(features)) return;
  const change = meanDifference(expected, usual);
  const moved = odd(change, usual);
  // A bias of the last block moves them alike, too: by what one feature weighs.
  if (moved.length === 0 || (moved.length > 1 && weighsAs(each, change))) return;
  const outputs = mapRows(usual, (row) => row.map((value, c) => value + (change[c] as number)));
  yield [
    tensorStory(
      BIAS,
      `PyTorch's ${CLASSIFIER}.bias is another${classes(moved, change.length)}: every image is moved by the same amount`,
    ),
    outputs,
  ];
}

/** Whether a change is in proportion to the weights of one feature. */
function weighsAs({ kernel, features }: LinearCase, change: Float64Array): boolean {
  const columns = change.length;
  const norm = Math.hypot(...change);
  return Array.from({ length: features.columns }, (_, f) => f).some((f) => {
    const row = kernel.subarray(f * columns, (f + 1) * columns);
    const product = change.reduce((sum, value, c) => sum + value * (row[c] as number), 0);
    return Math.abs(product) > 0.999 * norm * Math.hypot(...row);
  });
}

/** Images whose features are much alike are moved alike by whatever is wrong with the classifier. */
function differ(features: Rows): boolean {
  const first = rowAt(features, 0);
  return Array.from({ length: features.images }, (_, image) => rowAt(features, image)).some(
    (row) => distance(first, row) > 0.02,
  );
}

function meanDifference(expected: Rows, usual: Rows): Float64Array {
  const change = new Float64Array(usual.columns);
  for (const [i, value] of expected.values.entries()) {
    const c = i % usual.columns;
    change[c] = (change[c] as number) + (value - (usual.values[i] as number)) / usual.images;
  }
  return change;
}

/** Classes that differ by more than rounding. */
function odd(change: Float64Array, usual: Rows): number[] {
  const typical = Math.sqrt(usual.values.reduce((a, x) => a + x * x, 0) / usual.values.length);
  return Array.from(change.keys()).filter((c) => Math.abs(change[c] as number) > 1e-4 * typical);
}

function* fewClasses({ expected }: LinearCase, usual: Rows): Iterable<readonly [Story, Rows]> {
  const change = new Float64Array(usual.columns);
  for (const [i, value] of expected.values.entries()) {
    const c = i % usual.columns;
    change[c] = Math.max(change[c] as number, Math.abs(value - (usual.values[i] as number)));
  }
  const wrong = new Set(odd(change, usual));
  if (wrong.size === 0 || wrong.size > usual.columns / 2) return;
  const outputs = mapRows(usual, (row, image) =>
    row.map((value, c) => (wrong.has(c) ? (rowAt(expected, image)[c] as number) : value)),
  );
  const story = tensorStory(
    KERNEL,
    `PyTorch's ${CLASSIFIER} is another${classes([...wrong], usual.columns)}`,
  );
  yield [{ ...story, tensor: CLASSIFIER }, outputs];
}

function classes(wrong: readonly number[], all: number): string {
  if (wrong.length === all) return '';
  const shown = wrong.slice(0, 4).join(', ');
  const more = wrong.length > 4 ? ` and ${wrong.length - 4} more` : '';
  return ` in class${wrong.length === 1 ? '' : 'es'} ${shown}${more} of ${all}`;
}

/** One feature that counts otherwise: all classes change as its weights are. */
function* oneFeature(each: LinearCase, usual: Rows): Iterable<readonly [Story, Rows]> {
  const { expected, features, kernel } = each;
  if (usual.columns < 10) return;
  const change = rowAt(expected, 0).map((value, c) => value - (rowAt(usual, 0)[c] as number));
  const columns = usual.columns;
  const weights = (f: number) => Float64Array.from(kernel.subarray(f * columns, (f + 1) * columns));
  const norm = Math.hypot(...change);
  for (let f = 0; f < features.columns; f++) {
    const row = weights(f);
    let [product, square] = [0, 0];
    for (let c = 0; c < columns; c++) {
      product += (row[c] as number) * (change[c] as number);
      square += (row[c] as number) ** 2;
    }
    if (Math.abs(product) < 0.999 * norm * Math.sqrt(square)) continue;
    const factor = product / square / (rowAt(features, 0)[f] as number);
    const outputs = mapRows(usual, (values, image) =>
      values.map(
        (value, c) => value + factor * (rowAt(features, image)[f] as number) * (row[c] as number),
      ),
    );
    const times = Number((1 + factor).toFixed(3));
    const words =
      times === 0 ? `leaves feature ${f} out` : `counts feature ${f} ${times} times, not once`;
    yield [tensorStory(KERNEL, `PyTorch's ${CLASSIFIER} ${words}`), outputs];
    return;
  }
}

/** The numbers of `[features, classes]` taken for those of `[classes, features]`. */
function transposed(kernel: Float32Array, columns: number): Float32Array {
  const rows = kernel.length / columns;
  return kernel.map((_, i) => kernel[(i % columns) * rows + Math.floor(i / columns)] as number);
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(4)));
}
