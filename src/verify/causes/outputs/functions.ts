import { logSoftmax, softmax } from '../../../numbers/logits.js';
import { CLASSIFIER } from '../../structure.js';
import { TORCHVISION_GOLDEN } from '../suspect.js';
import { fitScale, mapRows, mapValues, type Rows, rowAt } from './rows.js';

/** Something that was done to logits before they were saved. */
export interface OutputChange {
  readonly id: string;
  readonly description: string;
  readonly summary: string;
  readonly cure: string;
  readonly outputs: Rows;
}

/** What people save in place of logits. */
export function* outputFunctions(logits: Rows, expected: Rows): Iterable<OutputChange> {
  const saved: Saved = (name, id, what, outputs) => ({
    id,
    description: `the logits put through ${name}`,
    summary: `the golden file holds ${what}, not logits`,
    cure: `Save what the model returns, before ${name}.`,
    outputs,
  });
  yield saved('softmax', 'softmax', 'probabilities (softmax)', mapRows(logits, softmax));
  yield saved(
    'log_softmax',
    'softmax',
    'log-probabilities (log_softmax)',
    mapRows(logits, logSoftmax),
  );
  yield saved('sigmoid', 'sigmoid', 'probabilities (sigmoid)', mapValues(logits, sigmoid));
  yield saved(
    'logsigmoid',
    'sigmoid',
    'log-probabilities (logsigmoid)',
    mapValues(logits, (x) => -Math.log1p(Math.exp(-x))),
  );
  if (logits.images > 1) {
    yield saved(
      'softmax over the images (dim=0)',
      'softmax',
      'probabilities over the images (softmax with dim=0)',
      overImages(logits),
    );
  }
  yield saved('tanh', 'output-function', 'values of tanh', mapValues(logits, Math.tanh));
  yield saved(
    'ReLU',
    'output-function',
    'values of ReLU',
    mapValues(logits, (x) => Math.max(0, x)),
  );
  yield saved(
    'a change of sign',
    'output-function',
    'the logits with their sign changed',
    mapValues(logits, (x) => -x),
  );
  yield saved(
    'softmax and softmax again',
    'softmax',
    'the softmax of probabilities',
    mapRows(logits, (row) => softmax(softmax(row))),
  );
  const centred = mapRows(logits, (row) => row.map((value) => value - mean(row)));
  yield saved('centring', 'output-function', 'logits less their mean', centred);
  const deviation = (row: Float64Array) =>
    Math.sqrt(row.reduce((a, x) => a + x * x, 0) / row.length);
  yield saved(
    'standardising',
    'output-function',
    'standardised logits',
    mapRows(centred, (row) => row.map((x) => x / deviation(row))),
  );
  yield saved(
    'normalising',
    'output-function',
    'logits normalised to a length of 1',
    mapRows(logits, (row) => row.map((x) => x / (deviation(row) * Math.sqrt(row.length)))),
  );
  yield* sortedOutputs(logits, saved);
  yield temperature(logits, expected);
  // A number that is added fits whatever hardly varies.
  if (!varies(expected)) return;
  yield moved(logits, expected);
  yield* softened(logits, expected, saved);
  yield* movedByRow(logits, expected);
}

/** Whether each row varies by far more than the rounding that is let pass, beside its mean. */
function varies(rows: Rows): boolean {
  return Array.from({ length: rows.images }, (_, image) => rowAt(rows, image)).every((row) => {
    const middle = mean(row);
    const spread = row.reduce((sum, value) => sum + (value - middle) ** 2, 0);
    return row.length === 1 || spread > 1e-4 * row.reduce((sum, value) => sum + value ** 2, 0);
  });
}

type Saved = (name: string, id: string, what: string, outputs: Rows) => OutputChange;

/** In the order of their size, so that nothing tells which class each is of. */
function* sortedOutputs(logits: Rows, saved: Saved): Iterable<OutputChange> {
  const kinds = [
    ['logits', logits],
    ['probabilities (softmax)', mapRows(logits, softmax)],
    ['log-probabilities (log_softmax)', mapRows(logits, logSoftmax)],
  ] as const;
  for (const [what, rows] of kinds) {
    for (const [order, sign] of [
      ['largest first, as topk gives them', -1],
      ['smallest first', 1],
    ] as const) {
      const outputs = mapRows(rows, (row) => row.slice().sort((a, b) => sign * (a - b)));
      yield {
        ...saved('sort', 'logits-sorted', what, outputs),
        summary: `the golden file holds ${what} in the order of their size, ${order}, not in the order of the classes`,
        cure: 'Save what the model returns, unsorted: the logits, not the values of sort or topk.',
      };
    }
  }
}

/** Fewer classes leave too little beside a number for each image to be sure of it. */
const FEWEST_CLASSES = 3;

/** softmax and its like of logits that one factor was put to before. */
function* softened(logits: Rows, expected: Rows, saved: Saved): Iterable<OutputChange> {
  if (logits.columns < FEWEST_CLASSES) return;
  const logarithms = fittedFactor(logits, expected, () => 1);
  yield {
    ...saved(
      'log_softmax',
      'softmax',
      `log-probabilities (log_softmax) with a temperature of ${rounded(1 / logarithms)}`,
      mapRows(logits, (row) => logSoftmax(row.map((value) => value * logarithms))),
    ),
    cure: 'Save what the model returns: divide by no temperature, and put it through no log_softmax.',
  };
  if (expected.values.some((value) => !(value >= 0 && value <= 1))) return;
  // What is all but zero weighs nothing, and has no logarithm.
  const logs = mapValues(expected, (value) => Math.log(Math.max(value, Number.MIN_VALUE)));
  const factor = fittedFactor(logits, logs, (i) => (expected.values[i] as number) ** 2);
  yield {
    ...saved(
      'softmax',
      'softmax',
      `probabilities (softmax) with a temperature of ${rounded(1 / factor)}`,
      mapRows(logits, (row) => softmax(row.map((value) => value * factor))),
    ),
    cure: 'Save what the model returns: divide by no temperature, and put it through no softmax.',
  };
}

/** The factor that brings logits nearest to what is expected, but for a number added to each row. */
function fittedFactor(logits: Rows, expected: Rows, weight: (i: number) => number): number {
  let [product, square] = [0, 0];
  const { images, columns } = logits;
  for (let image = 0; image < images; image++) {
    const at = (c: number) => weight(image * columns + c);
    const [x, y] = [rowAt(logits, image), rowAt(expected, image)];
    const total = x.reduce((sum, _, c) => sum + at(c), 0);
    const average = (row: Float64Array) =>
      row.reduce((sum, value, c) => sum + at(c) * value, 0) / total;
    const [middle, wanted] = [average(x), average(y)];
    for (const [c, value] of x.entries()) {
      product += at(c) * (value - middle) * ((y[c] as number) - wanted);
      square += at(c) * (value - middle) ** 2;
    }
  }
  return product / square;
}

/** A number of its own added to each row, perhaps to logits that one factor was put to. */
function* movedByRow(logits: Rows, expected: Rows): Iterable<OutputChange> {
  if (logits.columns < FEWEST_CLASSES) return;
  for (const factor of [1, fittedFactor(logits, expected, () => 1)]) {
    const scaled = mapValues(logits, (value) => value * factor);
    const shift = (row: Float64Array, image: number) => mean(rowAt(expected, image)) - mean(row);
    const outputs = mapRows(scaled, (row, image) => {
      const by = shift(row, image);
      return row.map((value) => value + by);
    });
    const size = factor === 1 ? '' : ` and ${scaleWords(factor)}`;
    const maxima = Array.from({ length: expected.images }, (_, image) =>
      rowAt(expected, image).reduce((a, b) => Math.max(a, b), -Infinity),
    );
    yield {
      id: 'logits-moved',
      description: `a number of its own added to each image's logits${size}`,
      summary: maxima.every((value) => value === 0)
        ? `the golden file holds logits less the largest of each image${size}`
        : `the golden file holds logits with a number of its own added to each image's${size}`,
      cure: 'Save what the model returns, and take nothing off it.',
      outputs,
    };
  }
}

function scaleWords(factor: number): string {
  return factor > 0 && factor < 1
    ? `divided by ${rounded(1 / factor)}`
    : `multiplied by ${rounded(factor)}`;
}

/** One factor for all logits. */
function temperature(logits: Rows, expected: Rows): OutputChange {
  const factor = fitScale(expected.values, logits.values);
  const words = scaleWords(factor);
  return {
    id: 'logits-scaled',
    description: `the logits ${words}`,
    summary: `PyTorch's logits are ${words}, as by a temperature or a scaled ${CLASSIFIER}`,
    cure: 'Save what the model returns, and divide by no temperature.',
    outputs: mapValues(logits, (value) => value * factor),
  };
}

/** One number added to all logits. */
function moved(logits: Rows, expected: Rows): OutputChange {
  const by = mean(expected.values) - mean(logits.values);
  return {
    id: 'logits-moved',
    description: `${rounded(by)} added to the logits`,
    summary: `PyTorch's logits have ${rounded(by)} added to each`,
    cure: TORCHVISION_GOLDEN,
    outputs: mapValues(logits, (value) => value + by),
  };
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function mean(values: Float64Array): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

function overImages(logits: Rows): Rows {
  const { images, columns } = logits;
  const values = new Float64Array(logits.values.length);
  for (let c = 0; c < columns; c++) {
    const column = Float64Array.from({ length: images }, (_, i) => rowAt(logits, i)[c] as number);
    for (const [i, value] of softmax(column).entries()) values[i * columns + c] = value;
  }
  return { ...logits, values };
}
