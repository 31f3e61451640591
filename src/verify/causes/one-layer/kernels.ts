import { channelError, channelErrors, LOCAL_GOAL } from '../../local/errors.js';
import { activated, type ConvCase, convolved } from '../../local/layer-case.js';
import { BFLOAT16, FLOAT16 } from '../../rounding.js';
import { LAYOUTS, readAs, storedAs } from '../kernel-layout.js';
import { CONVERT_AGAIN } from '../suspect.js';
import type { ConvExplainer, Explanation } from './explanation.js';
import { singleTap } from './single-tap.js';

/** A kernel other than it should be, in a way that can be told. */
export const otherKernel: ConvExplainer = (each, cases) => {
  for (const { kernel, key, words, id } of candidates(each)) {
    const output = activated(convolved(each, { kernel }), each);
    const error = channelError(each.expected, output, each.channels);
    if (error > LOCAL_GOAL) continue;
    return { ...story(each, cases.fromCheckpoint, key, words), id, error };
  }
  return undefined;
};

interface Candidate {
  readonly kernel: Float32Array;
  readonly key: string;
  readonly id: string;
  readonly words: string;
}

function* candidates({ kernel, block, channels }: ConvCase): Iterable<Candidate> {
  const { kernel: side, inChannels } = block;
  const shape = [side, side, inChannels, channels];
  const weight = { shape, data: kernel };
  const layout = (data: Float32Array, name: string) =>
    ({ kernel: data, key: `layout ${name}`, id: 'kernel-layout', words: name }) as const;
  for (const each of LAYOUTS) {
    if (side === 1 && (each.rotated || each.name.includes('height'))) continue;
    yield layout(readAs(weight, each), each.name);
    yield layout(storedAs(weight, each), each.name);
  }
  const moved = (at: (y: number, x: number, i: number, o: number) => number) =>
    rearrange(side, inChannels, channels, kernel, at);
  const index = (y: number, x: number, i: number, o: number) =>
    ((y * side + x) * inChannels + i) * channels + o;
  const last = side - 1;
  if (side > 1) {
    yield layout(
      moved((y, x, i, o) => index(y, last - x, i, o)),
      'mirrored left to right',
    );
    yield layout(
      moved((y, x, i, o) => index(last - y, x, i, o)),
      'mirrored top to bottom',
    );
    yield layout(
      moved((y, x, i, o) => index(x, last - y, i, o)),
      'turned by 90 degrees',
    );
    yield layout(
      moved((y, x, i, o) => index(last - x, y, i, o)),
      'turned by 90 degrees',
    );
    yield layout(
      moved((y, x, i, o) => index(last - x, last - y, i, o)),
      'mirrored in the other diagonal',
    );
  }
  yield layout(
    moved((y, x, i, o) => index(y, x, inChannels - 1 - i, o)),
    'with the input channels in reverse',
  );
  yield layout(
    moved((y, x, i, o) => index(y, x, i, channels - 1 - o)),
    'with the output channels in reverse',
  );
  for (const rounding of [FLOAT16, BFLOAT16]) {
    const name = `rounded to ${rounding.name}`;
    yield {
      kernel: rounding.round(kernel),
      key: name,
      id: `precision-${rounding.name}`,
      words: name,
    };
  }
  for (const levels of [127, 7]) {
    const bits = levels === 127 ? 8 : 4;
    const words = `rounded to integers of ${bits} bits`;
    const rest = { key: words, id: 'precision-int', words };
    yield { ...rest, kernel: integers(kernel, channels, levels, true) };
    yield { ...rest, kernel: integers(kernel, channels, levels, false) };
  }
}

function rearrange(
  side: number,
  inChannels: number,
  channels: number,
  kernel: Float32Array,
  from: (y: number, x: number, i: number, o: number) => number,
): Float32Array {
  const out = new Float32Array(kernel.length);
  let at = 0;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      for (let i = 0; i < inChannels; i++) {
        for (let o = 0; o < channels; o++) out[at++] = kernel[from(y, x, i, o)] as number;
      }
    }
  }
  return out;
}

/** Symmetric quantisation, with one scale a channel or one for all. */
function integers(
  kernel: Float32Array,
  channels: number,
  levels: number,
  perChannel: boolean,
): Float32Array {
  const largest = new Float64Array(channels);
  for (const [i, value] of kernel.entries()) {
    largest[i % channels] = Math.max(largest[i % channels] as number, Math.abs(value));
  }
  const all = Math.max(...largest);
  return kernel.map((value, i) => {
    const step = (perChannel ? (largest[i % channels] as number) : all) / levels;
    return step === 0 ? 0 : Math.round(value / step) * step;
  });
}

function story(each: ConvCase, fromCheckpoint: boolean, key: string, words: string) {
  return {
    key,
    tensor: `${each.name}/kernel`,
    summary: (where: string) => {
      const whose = where === each.name ? `${where}/kernel` : `the kernels of ${where}`;
      return fromCheckpoint
        ? `PyTorch's network has ${whose} ${words}; the model has the checkpoint's`
        : `the model has ${whose} ${words}, not as in PyTorch's network`;
    },
    cure: fromCheckpoint ? LOOK : CONVERT_AGAIN,
  };
}

const LOOK = 'The model has what the checkpoint has: look at what PyTorch loaded, or at its code.';

/** A layer whose input is right and whose output is not, whatever was tried. */
export function unexplained(each: ConvCase, fromCheckpoint: boolean): Explanation {
  const output = activated(convolved(each), each);
  const errors = channelErrors(each.expected, output, each.channels);
  const odd = Array.from(errors.keys()).filter((c) => (errors[c] as number) > LOCAL_GOAL);
  const few = odd.length < each.channels;
  const which = few ? ` (${channelList(odd)} of ${each.channels})` : '';
  const tap = few ? singleTap(each, odd) : undefined;
  const what = tap ?? `${each.name}/kernel`;
  return {
    key: few ? `channels of ${each.name}` : 'other weights',
    id: 'corrupt-tensor',
    tensor: `${each.name}/kernel`,
    summary: (where) => {
      const whose = where === each.name ? what : where;
      const rest = `${which}: what goes into it is right, what comes out is not`;
      return fromCheckpoint
        ? `${whose} is not in PyTorch's network what it is in the checkpoint${rest}`
        : `${whose} is corrupted, or PyTorch has another${rest}`;
    },
    cure: fromCheckpoint ? LOOK : CONVERT_AGAIN,
    error: Math.max(...errors),
  };
}

export function channelList(odd: readonly number[]): string {
  const shown = odd.slice(0, 4).join(', ');
  return `output channel${odd.length === 1 ? '' : 's'} ${shown}${odd.length > 4 ? ` and ${odd.length - 4} more` : ''}`;
}
