import { channelErrors, LOCAL_GOAL } from '../../local/errors.js';
import { activated, type ConvCase, convolved } from '../../local/layer-case.js';
import { CONVERT_AGAIN, TORCHVISION_GOLDEN } from '../suspect.js';
import type { Affine } from './channel-fit.js';
import { type Explanation, VAGUE } from './explanation.js';

type Story = Omit<Explanation, 'error'>;

/** Scales and offsets that follow no rule: the kernel is cleared all the same. */
export function unknownBatchNorm(
  each: ConvCase,
  raw: Float64Array,
  fit: Affine,
  fromCheckpoint: boolean,
): Story {
  const { scale, seen } = fit;
  const kept = movedAlone(each, raw, seen);
  const { scaled, moved } = changedChannels(each, fit);
  const ratio = uniform(seen.map((c) => (scale[c] as number) / (each.scale[c] as number)));
  if (ratio !== undefined && moved.length === 0) return scaledKernel(each, ratio, fromCheckpoint);
  const changed = !kept && scaled.length > 0 ? scaled : moved;
  const odd = changed.length > 0 ? changed : wrongChannels(each);
  const which = odd.length < seen.length ? channelWords(odd, each.channels) : '';
  const silent = odd.filter((c) => isSilent(each, c));
  if (silent.length === odd.length) return silentStory(each, which);
  if (!fromCheckpoint && addsNothing(each, fit)) return NO_OFFSET;
  const few = odd.length < seen.length / 2;
  return fromCheckpoint ? parameters(each, kept, which, few) : folded(each, !kept, which, few);
}

/** Channels whose scale or offset is another than it should be. */
function changedChannels(each: ConvCase, { scale, offset, seen }: Affine) {
  const differs = (a: Float64Array, b: Float64Array, c: number, unit: number) =>
    Math.abs((a[c] as number) - (b[c] as number)) > 1e-3 * Math.abs(unit);
  const squares = seen.reduce((sum, c) => sum + (each.offset[c] as number) ** 2, 0);
  const spread = Math.sqrt(squares / seen.length);
  return {
    scaled: seen.filter((c) => differs(scale, each.scale, c, each.scale[c] as number)),
    moved: seen.filter((c) => differs(offset, each.offset, c, spread)),
  };
}

function channelWords(odd: readonly number[], channels: number): string {
  const more = odd.length > 4 ? ` and ${odd.length - 4} more` : '';
  return ` (output channel${odd.length === 1 ? '' : 's'} ${odd.slice(0, 4).join(', ')}${more} of ${channels})`;
}

/** @param kept whether the scales are as they should be */
function parameters(each: ConvCase, kept: boolean, which: string, few: boolean): Story {
  const fields = kept ? 'bias or running_mean' : 'weight, bias, running_mean or running_var';
  return {
    key: few ? `channels of ${each.name}` : kept ? VAGUE.bias : VAGUE.norm,
    id: 'batch-norm',
    tensor: `${each.name}/${kept ? 'bias' : 'kernel'}`,
    summary: (where) =>
      `PyTorch's BatchNorm of ${where} has another ${fields} than the checkpoint${which}; the kernel is the checkpoint's`,
    cure: 'The model has what the checkpoint has: look at what PyTorch loaded, or at its code.',
  };
}

/** Whether PyTorch's channels are scaled alone, where the model's are moved, too. */
function addsNothing(each: ConvCase, { offset, seen }: Affine): boolean {
  const spread = (values: Float64Array) => Math.hypot(...seen.map((c) => values[c] as number));
  return seen.length > 3 && spread(offset) < 1e-4 * spread(each.offset);
}

const NO_OFFSET: Story = {
  key: 'no offset',
  id: 'batch-norm-affine',
  summary: (where) =>
    `PyTorch's network has no BatchNorm in ${where}, or one that has lost its bias and running_mean: its convolutions are scaled alone`,
  cure: TORCHVISION_GOLDEN,
};

/** Whether other offsets do, with the scales as they should be. */
function movedAlone(each: ConvCase, raw: Float64Array, seen: readonly number[]): boolean {
  const { channels, expected, scale } = each;
  const offset = each.offset.slice();
  for (const c of seen) {
    let [sum, count] = [0, 0];
    for (let i = c; i < raw.length; i += channels) {
      if (expected[i] === 0) continue;
      sum += (expected[i] as number) - (raw[i] as number) * (scale[c] as number);
      count++;
    }
    offset[c] = sum / count;
  }
  const errors = channelErrors(expected, activated(raw, each, { offset }), channels);
  return seen.every((c) => (errors[c] as number) <= 2 * LOCAL_GOAL);
}

/** Channels of which too little is seen to tell more: they fell silent, or speak at all. */
function wrongChannels(each: ConvCase): number[] {
  const errors = channelErrors(each.expected, activated(convolved(each), each), each.channels);
  return Array.from(errors.keys()).filter((c) => (errors[c] as number) > LOCAL_GOAL);
}

function isSilent({ expected, channels }: ConvCase, channel: number): boolean {
  for (let i = channel; i < expected.length; i += channels) if (expected[i] !== 0) return false;
  return true;
}

/** A channel that gives zeros may have lost its kernel, or have a bias that ReLU never lets through. */
function silentStory(each: ConvCase, which: string): Story {
  return {
    key: `channels of ${each.name}`,
    id: 'corrupt-tensor',
    tensor: each.name,
    summary: (where) =>
      `PyTorch's ${where} gives nothing but zeros${which}: its weights there are lost or far off`,
    cure: 'Look at what PyTorch loaded, or at its code.',
  };
}

/** The one number that all are, if it is another than 1. */
function uniform(ratios: readonly number[]): number | undefined {
  const sorted = [...ratios].sort((a, b) => a - b);
  const middle = sorted[sorted.length >> 1] as number;
  const alike = sorted.every((ratio) => Math.abs(ratio - middle) <= 1e-4 * Math.abs(middle));
  return alike && Math.abs(middle - 1) > 1e-3 ? middle : undefined;
}

function scaledKernel(each: ConvCase, ratio: number, fromCheckpoint: boolean): Story {
  return {
    key: `kernel times ${ratio.toPrecision(4)}`,
    id: 'corrupt-tensor',
    tensor: `${each.name}/kernel`,
    summary: (where) =>
      `PyTorch's ${where} has ${Number(ratio.toPrecision(4))} times the weights that the ${fromCheckpoint ? 'checkpoint' : 'model'} has`,
    cure: fromCheckpoint ? 'Look at what PyTorch loaded, or at its code.' : CONVERT_AGAIN,
  };
}

/** Without the checkpoint: what BatchNorm became when it was folded. */
function folded(each: ConvCase, scaled: boolean, which: string, few: boolean): Story {
  const tensor = `${each.name}/${scaled ? 'kernel' : 'bias'}`;
  return {
    key: few ? `channels of ${each.name}` : scaled ? VAGUE.norm : VAGUE.bias,
    id: 'corrupt-tensor',
    tensor,
    summary: (where) =>
      scaled
        ? `the channels of ${where} are scaled and moved otherwise in PyTorch's network${which}: its BatchNorm, not the shape of its kernels`
        : `${where}/bias is not the same in the model as in PyTorch's network${which}`,
    cure: `${CONVERT_AGAIN} If that does not help, look at what PyTorch loaded.`,
  };
}
