import { channelErrors, LOCAL_GOAL } from '../../local/errors.js';
import { activated, type ConvCase, convolved } from '../../local/layer-case.js';
import { NAME } from '../../structure.js';
import { CONVERT_AGAIN, LOOK } from '../suspect.js';
import { type Explanation, VAGUE } from './explanation.js';
import { isOtherKernel } from './kernel-fit.js';
import { singleTap } from './single-tap.js';

/**
 * A layer whose input is right and whose output is not, whatever was tried.
 * @param mostTaps of a kernel that another one is fitted for, which tells weights from code
 */
export function unexplained(
  each: ConvCase,
  fromCheckpoint: boolean,
  mostTaps: number,
): Explanation {
  const output = activated(convolved(each), each);
  const errors = channelErrors(each.expected, output, each.channels);
  const odd = Array.from(errors.keys()).filter((c) => (errors[c] as number) > LOCAL_GOAL);
  const error = Math.max(...errors);
  // Code does to all channels what it does to one, and those that stay silent tell nothing.
  if (odd.length < live(each, output) / 2)
    return { ...someChannels(each, fromCheckpoint, odd), error };
  const weights = isOtherKernel(each, mostTaps);
  if (weights === false) return { ...OTHER_COMPUTATION, error };
  return { ...allChannels(each, fromCheckpoint, weights === true), error };
}

/** How many channels give anything, on either side. */
function live({ channels, expected }: ConvCase, output: Float64Array): number {
  const seen = new Set<number>();
  for (const [i, value] of output.entries()) {
    if (value !== 0 || expected[i] !== 0) seen.add(i % channels);
  }
  return seen.size;
}

type Story = Omit<Explanation, 'error'>;

const REST = ': what goes into it is right, what comes out is not';

function someChannels(each: ConvCase, fromCheckpoint: boolean, odd: readonly number[]): Story {
  const what = singleTap(each, odd) ?? `${each.name}/kernel`;
  const rest = ` (${channelList(odd)} of ${each.channels})${REST}`;
  return {
    key: `channels of ${each.name}`,
    id: 'corrupt-tensor',
    tensor: `${each.name}/kernel`,
    summary: (where) =>
      otherThanWords(where === each.name ? what : where, fromCheckpoint, false) + rest,
    cure: fromCheckpoint ? LOOK : CONVERT_AGAIN,
  };
}

/** @param shown whether another kernel gives just what PyTorch gave */
function allChannels(each: ConvCase, fromCheckpoint: boolean, shown: boolean): Story {
  return {
    key: shown ? VAGUE.weights : VAGUE.either,
    id: 'corrupt-tensor',
    tensor: `${each.name}/kernel`,
    summary: (where) => {
      const what = where === each.name ? `${where}/kernel` : where;
      const words = otherThanWords(what, fromCheckpoint, where !== each.name);
      return shown
        ? `${words}: another kernel gives PyTorch's output exactly`
        : `${words}, or something else is computed with ${where === each.name ? 'it' : 'them'}${REST}`;
    },
    cure: fromCheckpoint ? LOOK : CONVERT_AGAIN,
  };
}

function otherThanWords(what: string, fromCheckpoint: boolean, several: boolean): string {
  const [is, it] = several ? ['are', 'they'] : ['is', 'it'];
  return fromCheckpoint
    ? `${what} ${is} not in PyTorch's network what ${it} ${is} in the checkpoint`
    : `${what} ${is} corrupted, or PyTorch has another`;
}

const OTHER_COMPUTATION: Story = {
  key: VAGUE.computation,
  id: 'other-computation',
  summary: (where) =>
    `${where} computes something else in PyTorch's network than in ${NAME}, and not with other weights: no kernel gives its output from its input`,
  cure: "Compare PyTorch's code with torchvision's: the normalisation, the activation and their order.",
};

function channelList(odd: readonly number[]): string {
  const shown = odd.slice(0, 4).join(', ');
  return `output channel${odd.length === 1 ? '' : 's'} ${shown}${odd.length > 4 ? ` and ${odd.length - 4} more` : ''}`;
}
