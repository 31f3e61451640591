import type { Value } from '../../network/value.js';
import {
  type EditableModel,
  type LayerJSON,
  withLayers,
} from '../../stored-model/editable-model.js';
import { networkLayers, typeOf } from '../structure.js';
import { type Lineup, type Suspect, TORCHVISION_GOLDEN } from './suspect.js';

/** Orders of branches in PyTorch other than the model's: many, and so tried late. */
export const branchOrders: Lineup = function* ({ layers, model }) {
  const likely = CONCATENATIONS.filter(({ path }) => path === layers?.firstJump);
  if (layers?.firstJump && likely.length === 0) return;
  for (const alike of groups(CONCATENATIONS)) {
    for (const order of ordersOf(alike[0]?.from.length ?? 0)) yield reorder(model, alike, order);
  }
  for (const block of likely.length > 0 ? likely : CONCATENATIONS) {
    for (const order of ordersOf(block.from.length)) {
      if (likely.length > 0 || isSwap(order)) yield reorder(model, [block], order);
    }
  }
};

const CONCATENATIONS = networkLayers().filter(({ op }) => op.type === 'cat');

/** Several that join as many branches. */
function groups(blocks: readonly Value[]): Value[][] {
  const counts = [...new Set(blocks.map(({ from }) => from.length))];
  const alike = counts.map((count) => blocks.filter(({ from }) => from.length === count));
  return alike.filter((group) => group.length > 1);
}

/** Of more there are too many orders. */
const MOST_BRANCHES = 4;

/** All orders of some branches but the natural one; of many, those with two exchanged. */
export function ordersOf(count: number): readonly (readonly number[])[] {
  const natural = Array.from({ length: count }, (_, i) => i);
  if (count <= MOST_BRANCHES) return permutations(natural).slice(1);
  return natural.flatMap((a) => natural.slice(a + 1).map((b) => swapped(natural, a, b)));
}

function permutations(items: readonly number[]): number[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item) =>
    permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]),
  );
}

function swapped(natural: readonly number[], a: number, b: number): number[] {
  return natural.map((item) => (item === a ? b : item === b ? a : item));
}

function isSwap(order: readonly number[]): boolean {
  return order.filter((branch, at) => branch !== at).length === 2;
}

function reorder(
  model: EditableModel,
  blocks: readonly Value[],
  order: readonly number[],
): Suspect {
  const all = blocks.length > 1;
  const label = order.map((branch) => branch + 1).join(', ');
  const paths = blocks.map(({ path }) => path);
  const where = all ? `every ${typeOf(paths[0] as string)} block` : (paths[0] as string);
  return {
    id: 'branch-order',
    where: all ? undefined : where,
    description: `branches of ${where} in the order ${label}`,
    summary: `the branches of ${where} are in another order: ${label}`,
    cure: TORCHVISION_GOLDEN,
    variation: {
      model: withLayers(model, (layer) =>
        paths.includes(layer.name) ? inOrder(layer, order) : layer,
      ),
    },
  };
}

/** A concatenation that reads the same in another order. */
function inOrder(layer: LayerJSON, order: readonly number[]): LayerJSON {
  const [inputs = []] = layer.inbound_nodes;
  const inbound = order.flatMap((branch) => inputs.slice(branch, branch + 1));
  return { ...layer, inbound_nodes: [inbound] };
}
