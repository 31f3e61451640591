/** Judges what the validator said of a fault, and adds the judgements up. */
import type { Verification } from '../../../src/index.js';
import type { Further } from './types.js';

/** What became of a pair. */
export interface Outcome {
  readonly fault: Further;
  readonly verification: Verification | null;
  /** The message and the hint, where the pair was refused before anything was compared. */
  readonly refusal: string | null;
}

/**
 * `missed`: it passed, though the logits are beyond the tolerance. `named`: truly. `layer only`: where it
 * starts and no more, or something as true and as little. `wrong`: something else is blamed. `unnamed`: nothing is. `invisible`: it passed, and
 * the logits are within the tolerance.
 */
export type Verdict = 'missed' | 'named' | 'layer only' | 'wrong' | 'unnamed' | 'invisible';

/** The default bound on the logits of float32, as docs/tolerance.md has it. */
const TOLERANCE = 5e-5;

/** The largest relative error of an image's logits, computed here; infinite where there are none. */
export function effectOf({ verification }: Outcome): number {
  if (verification === null) return Infinity;
  const { logits, numClasses } = verification.expected;
  const actual = verification.results[0]?.logits as Float32Array;
  let largest = 0;
  for (let start = 0; start < logits.length; start += numClasses) {
    let [apart, whole] = [0, 0];
    for (let i = start; i < start + numClasses; i++) {
      apart += ((actual[i] as number) - (logits[i] as number)) ** 2;
      whole += (logits[i] as number) ** 2;
    }
    const error = Math.sqrt(apart / whole);
    largest = Number.isNaN(error) ? Infinity : Math.max(largest, error);
  }
  return largest;
}

export const isVisible = (outcome: Outcome): boolean => effectOf(outcome) > TOLERANCE;

/** All that is said of the cause, or why the pair was refused; null where no cause is told. */
export function wordsOf({ verification, refusal }: Outcome): string | null {
  if (refusal !== null) return refusal;
  const cause = verification?.diagnosis?.cause ?? null;
  return cause === null ? null : `${cause.summary}. ${cause.cure} [${cause.where ?? 'everywhere'}]`;
}

export function judge(outcome: Outcome): Verdict {
  const { fault, verification, refusal } = outcome;
  if (verification?.passed) return isVisible(outcome) ? 'missed' : 'invisible';
  const words = wordsOf(outcome);
  if (words === null) return startsRight(outcome) ? 'layer only' : 'unnamed';
  const blames = fault.innocent?.test(verification?.diagnosis?.cause?.summary ?? words) ?? false;
  if (!blames && fault.truth.every((part) => part.test(words))) return 'named';
  if (!blames && tellsLayerAlone(words, fault)) return 'layer only';
  return refusal !== null && !blames ? 'unnamed' : 'wrong';
}

function startsRight({ fault, verification }: Outcome): boolean {
  const jump = verification?.results[0]?.layers?.firstJump ?? null;
  return jump !== null && jump === fault.layer;
}

/** Anything that a layer consists of, or that is done to it. */
const PARTICULARS =
  /kernel|bias|weight|tensor|channel|epsilon|eps|dropout|strid|pad|dilat|relu|activation|transpos|rotat|order|train|float|statistic|batchnorm|averag|ceil|window|normali|input|image/i;

/** Whether the words tell nothing but the layer where it starts. */
function tellsLayerAlone(words: string, { layer, half }: Further): boolean {
  if (half?.test(words)) return true;
  if (layer === undefined || !words.includes(layer)) return false;
  return !PARTICULARS.test(
    words.replaceAll(/\b(conv|inception|maxpool|avgpool|branch)[\w.]*/g, ''),
  );
}

// ---------------------------------------------------------------- in words

/** One line: what was planted, and what was said. */
function line(outcome: Outcome): string {
  const { fault, verification } = outcome;
  const jump = verification?.results[0]?.layers?.firstJump ?? null;
  const said = wordsOf(outcome) ?? `no cause${jump === null ? '' : `; the error jumps at ${jump}`}`;
  const effect = effectOf(outcome);
  const error = Number.isFinite(effect) ? effect.toExponential(1) : 'refused or no number';
  return `- ${fault.name} (${error}): ${said.replaceAll(/\s+/g, ' ')}`;
}

/** The whole score, and a line for each fault that did not come out as it should. */
export function scoreOf(outcomes: readonly Outcome[]): string {
  const judged = outcomes.map((outcome) => ({ outcome, verdict: judge(outcome) }));
  const visible = judged.filter(({ outcome }) => isVisible(outcome));
  const nameable = judged.filter(({ outcome, verdict }) => {
    return outcome.fault.nameable && verdict !== 'invisible';
  });
  const count = (all: typeof judged, ...verdicts: Verdict[]) =>
    all.filter(({ verdict }) => verdicts.includes(verdict)).length;
  const list = (title: string, which: typeof judged) =>
    which.length === 0 ? [] : ['', title, ...which.map(({ outcome }) => line(outcome))];
  return [
    `caught ${visible.length - count(visible, 'missed')} of ${visible.length} whose effect exceeds the tolerance`,
    `named ${count(nameable, 'named')} of ${nameable.length} nameable, layer only ${count(nameable, 'layer only')}`,
    `wrongly named ${count(judged, 'wrong')} of ${judged.length}`,
    ...list(
      'MISSED',
      judged.filter(({ verdict }) => verdict === 'missed'),
    ),
    ...list(
      'WRONGLY NAMED',
      judged.filter(({ verdict }) => verdict === 'wrong'),
    ),
    ...list(
      'NAMEABLE, AND ONLY THE LAYER TOLD',
      nameable.filter(({ verdict }) => verdict === 'layer only'),
    ),
    ...list(
      'NAMEABLE, AND UNNAMED',
      nameable.filter(({ verdict }) => verdict === 'unnamed'),
    ),
    ...list(
      'WITHIN THE TOLERANCE',
      judged.filter(({ verdict }) => verdict === 'invisible'),
    ),
    ...list(
      'NAMED',
      judged.filter(({ verdict }) => verdict === 'named'),
    ),
    ...list(
      'NOT NAMEABLE, AND NOT NAMED',
      judged.filter(({ outcome, verdict }) => {
        return !outcome.fault.nameable && (verdict === 'unnamed' || verdict === 'layer only');
      }),
    ),
  ].join('\n');
}
