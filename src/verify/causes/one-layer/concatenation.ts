import { concatenatePlanes } from '../../local/network.js';
import type { Planes } from '../../local/planes.js';
import { ordersOf } from '../branch-orders.js';
import { TORCHVISION_GOLDEN } from '../suspect.js';
import type { Explanation } from './explanation.js';
import { planesError } from './pool.js';

type Story = Omit<Explanation, 'error'>;

/**
 * Why a block gives something else than its branches beside each other.
 * @param names of the branches
 */
export function explainConcatenation(
  names: readonly string[],
  branches: readonly Planes[],
  input: Planes | undefined,
  output: Planes,
): Explanation | undefined {
  for (const { parts, story } of candidates(names, branches, input)) {
    const found = concatenatePlanes(parts);
    const error = found === undefined ? Infinity : planesError(output, found);
    if (error <= 1e-5) return { ...story, error };
  }
  return shuffled(concatenatePlanes(branches), output);
}

interface Candidate {
  readonly parts: readonly Planes[];
  readonly story: Story;
}

function* candidates(
  names: readonly string[],
  branches: readonly Planes[],
  input?: Planes,
): Iterable<Candidate> {
  for (const order of ordersOf(branches.length)) {
    yield {
      parts: order.map((branch) => branches[branch] as Planes),
      story: orderStory(order.map((branch) => branch + 1).join(', ')),
    };
  }
  for (const [at, branch] of branches.entries()) {
    const zero = { ...branch, data: new Float32Array(branch.data.length) };
    const parts = branches.map((part, i) => (i === at ? zero : part));
    yield { parts, story: branchStory(`${names[at]} is left out (zeros)`) };
  }
  const whole = concatenatePlanes(branches);
  if (whole === undefined || input?.data.length !== whole.data.length) return;
  const data = whole.data.map((value, i) => value + (input.data[i] as number));
  yield {
    parts: [{ ...whole, data }],
    story: branchStory('the input of the block is added (a residual)'),
  };
}

function orderStory(label: string): Story {
  return {
    key: `order ${label}`,
    id: 'branch-order',
    summary: (where) =>
      `the branches of ${where} are in another order in PyTorch's network: ${label}`,
    cure: TORCHVISION_GOLDEN,
  };
}

function branchStory(what: string): Story {
  return {
    key: what,
    id: 'branches',
    summary: (where) => `in PyTorch's network ${what} in ${where}`,
    cure: TORCHVISION_GOLDEN,
  };
}

/** Whether every channel is one of the block's, elsewhere. */
function shuffled(whole: Planes | undefined, output: Planes): Explanation | undefined {
  if (whole === undefined || whole.data.length !== output.data.length) return undefined;
  const { channels, images, height, width } = whole;
  const area = height * width;
  const mark = (planes: Planes, c: number) =>
    Array.from({ length: images }, (_, image) => {
      const at = (image * channels + c) * area;
      return Array.from(planes.data.subarray(at, at + area), (value) => Math.fround(value)).join();
    }).join();
  const count = (planes: Planes) =>
    Array.from({ length: channels }, (_, c) => mark(planes, c))
      .sort()
      .join(';');
  if (count(whole) === count(output)) return { ...SHUFFLED, error: 0 };
  const ratio =
    (output.data.find((_, i) => whole.data[i] !== 0) ?? 0) /
    (whole.data.find((value) => value !== 0) ?? 1);
  const scaled = { ...whole, data: whole.data.map((value) => value * ratio) };
  const error = planesError(output, scaled);
  if (error > 1e-5) return undefined;
  return { ...branchStory(`all values are ${Number(ratio.toPrecision(4))} times as large`), error };
}

const SHUFFLED: Story = {
  key: 'shuffled',
  id: 'branch-order',
  summary: (where) => `the channels of ${where} are in another order in PyTorch's network`,
  cure: TORCHVISION_GOLDEN,
};
