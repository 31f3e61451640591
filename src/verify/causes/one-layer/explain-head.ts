import { toNHWC } from '../../../numbers/layout.js';
import type { Laboratory } from '../../laboratory.js';
import { LOCAL_GOAL } from '../../local/errors.js';
import type { LayerCases } from '../../local/layer-case.js';
import { CLASSIFIER, LAST_BLOCK, LAST_POOL } from '../../structure.js';
import { auxiliaryOutputs } from '../outputs/auxiliary.js';
import { findDropout } from '../outputs/dropout.js';
import { explainOutputs } from '../outputs/explain-outputs.js';
import { explainLinear, type LinearCase, linear, linearCase } from '../outputs/linear.js';
import { linearInHalf } from '../outputs/linear-in-half.js';
import { type Rows, rowsOf, worstDistance } from '../outputs/rows.js';
import { CONVERT_AGAIN } from '../suspect.js';
import { type Explanation, type LayerExplanation, VAGUE } from './explanation.js';
import { averageStory, otherAverages } from './pool.js';

/** Why the classifier, and what was done with its logits, gives what the golden file holds. */
export function explainHead(
  lab: Laboratory,
  cases: LayerCases,
  before: readonly LayerExplanation[],
): LayerExplanation[] {
  const { golden } = lab;
  const logits = rowsOf(golden.logits, golden.shape[0]);
  const recorded = cases.recording.recorded(CLASSIFIER);
  const fits = recorded?.data.length === golden.logits.length;
  const own = fits ? rowsOf(recorded.data, golden.shape[0]) : undefined;
  const found: LayerExplanation[] = [];
  if (own !== undefined && worstDistance(logits, own) > 1e-6) {
    found.push({
      layer: 'logits',
      explanation: explainOutputs(own, logits, 1e-6) ?? auxiliary(lab, cases, logits) ?? SAVED,
    });
  }
  const explanation =
    inLessPrecision(lab, cases, own ?? logits, before) ??
    explainLast(lab, cases, own ?? logits, own !== undefined);
  return explanation === undefined ? found : [{ layer: CLASSIFIER, explanation }, ...found];
}

/** What is recorded of the layers that the auxiliary heads read from. */
function auxiliary(lab: Laboratory, { recording }: LayerCases, expected: Rows) {
  const stage = (name: string) => {
    const found = recording.recorded(name);
    return found && toNHWC(found.data, [found.images, found.channels, found.height, found.width]);
  };
  return auxiliaryOutputs(lab.checkpoint?.stateDict, expected, stage, LOCAL_GOAL);
}

function explainLast(
  lab: Laboratory,
  cases: LayerCases,
  expected: Rows,
  recorded: boolean,
): Explanation | undefined {
  const features = cases.recording.output(LAST_POOL);
  const each = features && linearCase(lab, features, expected);
  if (each === undefined) return undefined;
  const usual = linear(each);
  const error = worstDistance(expected, usual);
  if (error <= LOCAL_GOAL) return undefined;
  return (
    otherPooling(lab, cases, expected) ??
    explainLinear(each, LOCAL_GOAL) ??
    explainOutputs(usual, expected, LOCAL_GOAL) ??
    linearInHalf(each, LOCAL_GOAL) ??
    auxiliary(lab, cases, expected) ??
    dropout(each, error) ??
    other(lab, recorded)
  );
}

/** Where the layers before it were computed in less than float32, the classifier was, too. */
function inLessPrecision(
  lab: Laboratory,
  cases: LayerCases,
  expected: Rows,
  before: readonly LayerExplanation[],
): Explanation | undefined {
  const last = before.findLast(({ explanation }) => explanation.key.startsWith('computed '));
  const features = cases.recording.output(LAST_POOL);
  const each = features && linearCase(lab, features, expected);
  if (last === undefined || each === undefined) return undefined;
  const error = worstDistance(expected, linear(each));
  const most = last.explanation.key.endsWith('bfloat16') ? 2 ** -6 : 2 ** -9;
  return error > LOCAL_GOAL && error <= most ? { ...last.explanation, error } : undefined;
}

function dropout(each: LinearCase, error: number): Explanation | undefined {
  const found = findDropout(each, true);
  return found === null ? undefined : { ...found.story, error: found.error ?? error };
}

/** A user's own pool in place of the average is in no golden file of old. */
function otherPooling(lab: Laboratory, { recording }: LayerCases, expected: Rows) {
  const input = recording.recorded(LAST_POOL) ? undefined : recording.output(LAST_BLOCK);
  for (const { found, words } of input === undefined ? [] : otherAverages(input)) {
    const each = linearCase(lab, found, expected);
    const error = each ? worstDistance(expected, linear(each)) : Infinity;
    if (error <= LOCAL_GOAL) return { ...averageStory(words), layer: LAST_POOL, error };
  }
  return undefined;
}

/** With PyTorch's own output in its place nothing is left. */
const SAVED: Explanation = {
  key: 'logits',
  id: 'logits',
  nowhere: true,
  summary: () =>
    `the golden file's logits are not what its own ${CLASSIFIER} gave: something was done to them`,
  cure: 'Save what the model returns, as it is.',
  error: 0,
};

function other({ checkpoint }: Laboratory, recorded: boolean): Explanation {
  const what = recorded
    ? `${CLASSIFIER}, or what was done to its input (dropout),`
    : `${CLASSIFIER}, or what was done before or after it,`;
  return {
    key: VAGUE.either,
    id: 'corrupt-tensor',
    summary: () =>
      checkpoint === null
        ? `${what} is not the same in the model as in PyTorch's network: all layers before it agree`
        : `${what} is not in PyTorch's network what it is in the checkpoint: all layers before it agree`,
    cure:
      checkpoint === null
        ? CONVERT_AGAIN
        : `Look at what PyTorch loaded into ${CLASSIFIER}, or at its code.`,
    error: 0,
  };
}
