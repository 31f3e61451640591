import type { Value } from '../../network/value.js';
import type { LayerVisitor } from '../../runtimes/tfjs/load.js';
import { networkLayers } from '../structure.js';
import { type Lineup, type Suspect, TORCHVISION_GOLDEN } from './suspect.js';

/** Orders of branches in PyTorch other than the model's: many, and so tried late. */
export const branchOrders: Lineup = function* ({ layers }) {
  const likely = BLOCKS.filter(({ path }) => path === layers?.firstJump);
  if (layers?.firstJump && likely.length === 0) return;
  for (const order of PERMUTATIONS) yield reorder(BLOCKS, order);
  for (const block of likely.length > 0 ? likely : BLOCKS) {
    for (const order of PERMUTATIONS) {
      if (likely.length > 0 || isSwap(order)) yield reorder([block], order);
    }
  }
};

/** Concatenations of four branches. */
const BLOCKS = networkLayers().filter(({ op, from }) => op.type === 'cat' && from.length === 4);

/** All orders of four branches but the natural one. */
const PERMUTATIONS: readonly (readonly number[])[] = permutations([0, 1, 2, 3]).slice(1);

function permutations(items: readonly number[]): number[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item) =>
    permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]),
  );
}

function isSwap(order: readonly number[]): boolean {
  return order.filter((branch, at) => branch !== at).length === 2;
}

function reorder(blocks: readonly Value[], order: readonly number[]): Suspect {
  const all = blocks.length > 1;
  const label = order.map((branch) => branch + 1).join(', ');
  const where = all ? 'every Inception block' : (blocks[0]?.path as string);
  const visit: LayerVisitor = async (layer, _shape, read) => {
    const block = blocks.find(({ path }) => path === layer);
    return block && reorderChannels(await read(), branchWidths(block), order);
  };
  return {
    id: 'branch-order',
    where: all ? undefined : where,
    description: `branches of ${where} in the order ${label}`,
    summary: `the branches of ${where} are in another order: ${label}`,
    cure: TORCHVISION_GOLDEN,
    variation: { visit },
  };
}

/** The channels that each branch contributes. */
function branchWidths({ from }: Value): number[] {
  return from.map(({ shape }) => shape[0] ?? 0);
}

/** Concatenates the branches again, in another order; channels last. */
function reorderChannels(
  values: Float32Array,
  widths: readonly number[],
  order: readonly number[],
): Float32Array {
  const starts = widths.map((_, branch) => widths.slice(0, branch).reduce((a, b) => a + b, 0));
  const from = order.flatMap((branch) =>
    Array.from({ length: widths[branch] as number }, (_, c) => (starts[branch] as number) + c),
  );
  const channels = from.length;
  return values.map(
    (_, i) => values[i - (i % channels) + (from[i % channels] as number)] as number,
  );
}
