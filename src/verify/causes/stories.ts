import { convBlocks } from '../../googlenet/architecture.js';
import { type Explanation, isVague, type LayerExplanation } from './one-layer/explanation.js';

/** A cause, as far as it is not a measurement. */
export interface Story {
  readonly id: string;
  readonly summary: string;
  readonly cure: string;
  readonly where: string | null;
}

/** Causes that only say that weights differ: whatever says more goes first. */
export const VAGUE_IDS: ReadonlySet<string> = new Set([
  'weights-differ',
  'precision',
  'batch-norm',
]);

interface Group {
  readonly explanation: Explanation;
  readonly layers: readonly string[];
}

/** Several layers' explanations as one cause: those alike together. */
export function joinExplanations(all: readonly LayerExplanation[], fromCheckpoint: boolean): Story {
  const groups = grouped(all);
  const vague = groups.filter(isVague);
  const layers = new Set(vague.flatMap((group) => group.layers));
  if (layers.size > 3) return otherWeights(groups, layers, fromCheckpoint);
  const [first, second, ...rest] = groups.map(toStory) as [Story, ...Story[]];
  if (second === undefined) return first;
  if (groups.every(({ explanation }) => explanation.id === 'training-mode'))
    return training(groups, first);
  const more = rest.length === 0 ? '' : `; and ${rest.length} more`;
  return {
    ...first,
    summary: `${first.summary}; and ${second.summary}${more}`,
    cure: first.cure === second.cure ? first.cure : `${first.cure} ${second.cure}`,
  };
}

function grouped(all: readonly LayerExplanation[]): Group[] {
  const groups = new Map<string, { explanation: Explanation; layers: string[] }>();
  for (const { layer, explanation } of all) {
    const group = groups.get(explanation.key) ?? { explanation, layers: [] };
    group.layers.push(explanation.layer ?? layer);
    groups.set(explanation.key, group);
  }
  return [...groups.values()];
}

/** One explanation of some layers. */
export function toStory({ explanation, layers }: Group): Story {
  const { id, cure, tensor, nowhere } = explanation;
  const distinct = [...new Set(layers)];
  const [only] = distinct;
  return {
    id,
    cure,
    summary: explanation.summary(placeOf(distinct)),
    where: nowhere ? null : distinct.length === 1 ? (tensor ?? only ?? null) : blockOf(distinct),
  };
}

/** Layers in words: one by its name, all of them, those of a block. */
function placeOf(layers: readonly string[]): string {
  const [first, ...others] = layers as [string, ...string[]];
  if (others.length === 0) return first;
  if (convBlocks(3).every(({ name }) => layers.includes(name))) return 'every convolution';
  const block = blockOf(layers);
  if (block !== null) return `${block} (${layers.length} layers)`;
  if (others.length < 3)
    return `${[first, ...others.slice(0, -1)].join(', ')} and ${others.at(-1)}`;
  return `${first} and ${others.length} other layers`;
}

function blockOf(layers: readonly string[]): string | null {
  const [block, ...others] = [...new Set(layers.map((name) => name.split('.')[0] as string))];
  return others.length === 0 ? (block ?? null) : null;
}

function training(groups: readonly Group[], first: Story): Story {
  const layers = groups.flatMap((group) => group.layers);
  const dropout = layers.includes('fc') ? ', and dropout was on before fc' : '';
  return {
    ...first,
    where: null,
    summary: `the golden file was made in training mode: BatchNorm took the statistics of the batch${dropout}`,
  };
}

function otherWeights(
  groups: readonly Group[],
  layers: ReadonlySet<string>,
  fromCheckpoint: boolean,
): Story {
  const [first] = layers;
  const normed = groups
    .filter(({ explanation }) => explanation.key === 'other batch norm')
    .reduce((sum, group) => sum + group.layers.length, 0);
  if (!fromCheckpoint && normed > 0.7 * layers.size) return otherBatchNorms(layers.size);
  const norms = normed > 0.9 * layers.size;
  const little = groups.every(({ explanation }) => explanation.error < ROUNDING);
  if (!fromCheckpoint && little) return someRounding(layers.size);
  const what = norms ? "BatchNorm's parameters or running statistics" : 'weights';
  const side = fromCheckpoint ? 'the checkpoint' : 'the model';
  return {
    id: norms ? 'batch-norm-statistics' : 'weights-differ',
    where: null,
    summary: `PyTorch's network has other ${what} than ${side} in ${layers.size} layers, the first is ${first}: as of another epoch or another checkpoint${norms ? ', or moved on by running in training mode' : ''}`,
    cure: `Make the golden file from the checkpoint that the model is made of${norms ? ', calling model.eval() right after loading' : ''}.`,
  };
}

/** What TF32, half precision and the like do to one layer. */
const ROUNDING = 0.02;

/** Without the checkpoint, rounding before and after BatchNorm was folded look alike. */
function someRounding(count: number): Story {
  return {
    id: 'precision',
    where: null,
    summary: `${count} layers differ a little, each by itself: PyTorch computed in less than float32 (TF32, half precision), or its weights were rounded or hardly trained on`,
    cure: 'Pass --checkpoint, which tells which; or capture in float32 on the CPU.',
  };
}

/** Without the checkpoint nothing tells which of BatchNorm's numbers it is. */
function otherBatchNorms(count: number): Story {
  return {
    id: 'batch-norm',
    where: null,
    summary: `BatchNorm does otherwise in PyTorch's network than in the model, in ${count} layers, and their kernels are alike: training mode, another epsilon, or other statistics`,
    cure: 'Pass --checkpoint, which tells which; or call model.eval() in PyTorch and capture again.',
  };
}
