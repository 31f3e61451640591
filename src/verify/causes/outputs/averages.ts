import { logSoftmax, softmax } from '../../../numbers/logits.js';
import { batchNHWC } from '../../golden.js';
import type { Laboratory } from '../../laboratory.js';
import { planesOf } from '../../local/planes.js';
import { CLASSIFIER } from '../../structure.js';
import { MOVES, type Move } from '../images/moves.js';
import type { Finding, Lineup, Suspect } from '../suspect.js';
import { explainOutputs } from './explain-outputs.js';
import { mapRows, mapValues, type Rows, rowsOf, worstDistance } from './rows.js';

/** Test-time augmentation where layers are recorded, which would else be asked why they do not give the logits. */
export const averagesBesideLayers: Lineup = function* (lab) {
  if (lab.golden.activations.size > 0 && !followsFromLast(lab)) yield* averages();
};

/** The same where there are the logits alone. */
export const averagesAlone: Lineup = function* (lab) {
  if (lab.golden.activations.size === 0) yield* averages();
};

/** Whether the logits are what the classifier gave, or what some function made of it. */
function followsFromLast({ golden }: Laboratory): boolean {
  const recorded = golden.activations.get(CLASSIFIER);
  if (recorded?.data.length !== golden.logits.length) return false;
  const [last, logits] = [recorded.data, golden.logits].map((data) =>
    rowsOf(data, golden.shape[0]),
  );
  return (
    last === undefined ||
    logits === undefined ||
    worstDistance(logits, last) <= 1e-6 ||
    explainOutputs(last, logits, 1e-6) !== undefined
  );
}

const [MIRRORED, UPSIDE_DOWN, , BOTH] = MOVES as readonly [Move, Move, Move, Move];

/** What images are run in, beside as they are. */
const VIEWS: readonly (readonly [words: string, views: readonly Move[]])[] = [
  ['their mirror images', [MIRRORED]],
  ['the same upside down', [UPSIDE_DOWN]],
  ['the same mirrored, upside down and both', [MIRRORED, UPSIDE_DOWN, BOTH]],
];

function* averages(): Iterable<Suspect> {
  const ran = new Map<Move | null, Rows>();
  for (const [words, views] of VIEWS) {
    yield {
      id: 'test-time-augmentation',
      description: `the mean of the images' logits and those of ${words}`,
      summary: '',
      cure: 'Save what the model returns for the images as they are, without test-time augmentation.',
      measure: async (lab) => {
        const parts: Rows[] = [];
        for (const view of [null, ...views]) {
          const rows = ran.get(view) ?? (await run(lab, view));
          ran.set(view, rows);
          parts.push(rows);
        }
        return nearest(lab, parts, words);
      },
    };
  }
}

async function run(lab: Laboratory, view: Move | null): Promise<Rows> {
  const { golden } = lab;
  const input =
    view === null ? golden.input : view.apply(planesOf(golden.input, golden.shape)).data;
  const batch = batchNHWC({ ...golden, input });
  return rowsOf(await lab.runBatch(undefined, batch, () => undefined), golden.shape[0]);
}

/** Of the ways to make one of several, the one that gives what was saved. */
function nearest({ golden, goal }: Laboratory, parts: readonly Rows[], words: string): Finding {
  const expected = rowsOf(golden.logits, golden.shape[0]);
  const before = worstDistance(expected, parts[0] as Rows);
  let best: Finding = { error: Infinity };
  for (const [what, outputs] of joined(parts)) {
    const error = worstDistance(expected, outputs);
    if (!(error < best.error)) continue;
    const summary = `the golden file holds ${what} of the images and of ${words}, as test-time augmentation gives it, not the logits of the images alone`;
    best = { error, summary, convicted: error <= goal && error <= before / 10 };
  }
  return best;
}

function joined(parts: readonly Rows[]): (readonly [what: string, outputs: Rows])[] {
  const probabilities = mean(parts.map((rows) => mapRows(rows, softmax)));
  return [
    ['the mean of the logits', mean(parts)],
    ['the sum of the logits', sum(parts)],
    ['the mean of the probabilities (softmax)', probabilities],
    ['the logarithm of the mean probabilities (softmax)', mapValues(probabilities, Math.log)],
    ['the mean of the log-probabilities', mean(parts.map((rows) => mapRows(rows, logSoftmax)))],
    ['the softmax of the mean logits', mapRows(mean(parts), softmax)],
    ['the largest of the logits', fold(parts, Math.max)],
  ];
}

function mean(parts: readonly Rows[]): Rows {
  return mapValues(sum(parts), (value) => value / parts.length);
}

function sum(parts: readonly Rows[]): Rows {
  return fold(parts, (a, b) => a + b);
}

function fold(parts: readonly Rows[], join: (a: number, b: number) => number): Rows {
  const [first, ...rest] = parts as [Rows, ...Rows[]];
  const values = first.values.map((value, i) =>
    rest.reduce((all, rows) => join(all, rows.values[i] as number), value),
  );
  return { ...first, values };
}
