import { LOCAL_GOAL } from '../../local/errors.js';
import { type ConvCase, errorOf } from '../../local/layer-case.js';
import { BFLOAT16, FLOAT16, TF32, TF32_CUT } from '../../rounding.js';
import { INTEGER_ROUNDINGS } from '../integers.js';
import { LAYOUTS, readAs, storedAs } from '../kernel-layout.js';
import { CONVERT_AGAIN, LOOK } from '../suspect.js';
import type { ConvExplainer } from './explanation.js';

/** A kernel other than it should be, in a way that can be told. */
export const otherKernel: ConvExplainer = (each, cases) => {
  const before = errorOf(each);
  for (const { kernel, key, words, id } of candidates(each)) {
    // A weight half way between two integers may go to either.
    const most = id === 'precision-int' ? Math.max(LOCAL_GOAL, before / 10) : LOCAL_GOAL;
    const error = errorOf(each, { kernel }, most);
    if (error > most) continue;
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
  for (const rounding of [FLOAT16, BFLOAT16, TF32, TF32_CUT]) {
    const name = `rounded to ${rounding.name}`;
    yield {
      kernel: rounding.round(kernel),
      key: name,
      id: `precision-${rounding.name}`,
      words: name,
    };
  }
  for (const { bits, round } of INTEGER_ROUNDINGS) {
    const words = `rounded to integers of ${bits} bits`;
    yield { key: words, id: 'precision-int', words, kernel: round(kernel, channels) };
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
