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
  const saved = (name: string, id: string, what: string, outputs: Rows): OutputChange => ({
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
  yield temperature(logits, expected);
  yield moved(logits, expected);
}

/** One factor for all logits. */
function temperature(logits: Rows, expected: Rows): OutputChange {
  const factor = fitScale(expected.values, logits.values);
  const words =
    factor < 1 ? `divided by ${rounded(1 / factor)}` : `multiplied by ${rounded(factor)}`;
  return {
    id: 'logits-scaled',
    description: `the logits ${words}`,
    summary: `PyTorch's logits are ${words}, as by a temperature or a scaled fc`,
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

function softmax(row: Float64Array): Float64Array {
  return logSoftmax(row).map(Math.exp);
}

function logSoftmax(row: Float64Array): Float64Array {
  const largest = row.reduce((a, b) => Math.max(a, b), -Infinity);
  const sum = row.reduce((a, b) => a + Math.exp(b - largest), 0);
  return row.map((value) => value - largest - Math.log(sum));
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
