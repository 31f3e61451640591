import { option } from '../../base/option.js';
import { CLASSIFIER, CONVOLUTIONS, NAME } from '../structure.js';
import {
  type Explanation,
  isVague,
  type LayerExplanation,
  VAGUE,
} from './one-layer/explanation.js';

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
  'other-computation',
  'layers-differ',
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
  const found = mostly(groups, layers);
  if (found !== undefined) return found;
  if (layers.size > 3) return manyLayers(groups, layers, fromCheckpoint);
  const story = join(groups);
  return layers.size === 3 ? severalWeights(story, layers.size, fromCheckpoint) : story;
}

/** No accident changes three layers and leaves the others as they are. */
function severalWeights(story: Story, count: number, fromCheckpoint: boolean): Story {
  const words = ` than ${sideOf(fromCheckpoint)} in ${count} layers, as of another epoch or another checkpoint`;
  return {
    id: 'weights-differ',
    where: null,
    summary: `PyTorch's network has other weights${words}: ${story.summary}`,
    cure: `${OTHER_CHECKPOINT} ${story.cure}`,
  };
}

const sideOf = (fromCheckpoint: boolean) => (fromCheckpoint ? 'the checkpoint' : 'the model');
const OTHER_CHECKPOINT = 'Make the golden file from the checkpoint that the model is made of.';

/**
 * What is done to many layers is done to those, too, that are too small to tell, unless other weights are
 * seen in them.
 */
function mostly(groups: readonly Group[], vague: ReadonlySet<string>): Story | undefined {
  const named = groups.filter((group) => !isVague(group));
  const [first] = named.toSorted((a, b) => b.layers.length - a.layers.length);
  const few = vague.size <= 3;
  const shown = groups.some(
    ({ explanation: { key } }) => SHOWN.has(key) || (few && key.startsWith('channels of')),
  );
  if (first === undefined || shown || first.layers.length < Math.max(MANY, vague.size / 2)) return;
  const alike = ({ explanation, layers }: Group) =>
    explanation.id === 'batch-norm-kind' && layers.length < first.layers.length / MANY;
  const story = join(named.filter((group) => !alike(group)));
  if (vague.size === 0) return story;
  const rest = vague.size === 1 ? '1 layer differs' : `${vague.size} layers differ`;
  return { ...story, summary: `${story.summary}; ${rest} besides, in a way that does not show` };
}

/** What another fit proves of a layer. */
const SHOWN: ReadonlySet<string> = new Set([VAGUE.weights, VAGUE.norm, VAGUE.bias]);
/** Layers that a person does alike by one line of code, and no accident does. */
const MANY = 8;

function join(groups: readonly Group[]): Story {
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
  if (CONVOLUTIONS.every((name) => layers.includes(name))) return 'every convolution';
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
  const dropout = layers.includes(CLASSIFIER) ? `, and dropout was on before ${CLASSIFIER}` : '';
  return {
    ...first,
    where: null,
    summary: `the golden file was made in training mode: BatchNorm took the statistics of the batch${dropout}`,
  };
}

/** Many layers that differ, and no rule: weights or code, as far as that is shown. */
function manyLayers(
  groups: readonly Group[],
  layers: ReadonlySet<string>,
  fromCheckpoint: boolean,
): Story {
  const count = (...keys: readonly string[]) =>
    groups
      .filter(({ explanation: { key } }) => keys.some((each) => key.startsWith(each)))
      .reduce((sum, group) => sum + group.layers.length, 0);
  const normed = count(VAGUE.norm);
  if (!fromCheckpoint && normed > 0.7 * layers.size)
    return otherBatchNorms(layers.size, count(VAGUE.bias) === normed);
  const little = groups.every(({ explanation }) => explanation.error < ROUNDING);
  if (!fromCheckpoint && little) return someRounding(layers.size);
  if (normed > 0.9 * layers.size) return otherStatistics(layers, count(VAGUE.bias) === normed);
  const shown = count(VAGUE.weights, VAGUE.norm);
  if (count(VAGUE.computation) > shown) return otherComputation(layers);
  return shown + count('channels of') > 0
    ? otherWeights(layers, fromCheckpoint)
    : weightsOrCode(layers, fromCheckpoint);
}

function otherStatistics(layers: ReadonlySet<string>, bias: boolean): Story {
  const [first] = layers;
  return {
    id: 'batch-norm-statistics',
    where: null,
    summary: bias
      ? `PyTorch's network has another bias or running_mean of BatchNorm than the checkpoint in ${layers.size} layers, the first is ${first}; all else is alike`
      : `PyTorch's network has other BatchNorm's parameters or running statistics than the checkpoint in ${layers.size} layers, the first is ${first}: as of another epoch or another checkpoint, or moved on by running in training mode`,
    cure: 'Make the golden file from the checkpoint that the model is made of, calling model.eval() right after loading.',
  };
}

function otherWeights(layers: ReadonlySet<string>, fromCheckpoint: boolean): Story {
  const [first] = layers;
  const side = sideOf(fromCheckpoint);
  return {
    id: 'weights-differ',
    where: null,
    summary: `PyTorch's network has other weights than ${side} in ${layers.size} layers, the first is ${first}: as of another epoch or another checkpoint`,
    cure: OTHER_CHECKPOINT,
  };
}

function otherComputation(layers: ReadonlySet<string>): Story {
  const [first] = layers;
  return {
    id: 'other-computation',
    where: null,
    summary: `PyTorch's network computes something else than ${NAME} in ${layers.size} layers, the first is ${first}, and not with other weights: no kernel gives their output from their input`,
    cure: "Compare PyTorch's code with torchvision's: the normalisation, the activation and their order.",
  };
}

function weightsOrCode(layers: ReadonlySet<string>, fromCheckpoint: boolean): Story {
  const [first] = layers;
  const side = sideOf(fromCheckpoint);
  return {
    id: 'layers-differ',
    where: null,
    summary: `${layers.size} layers of PyTorch's network differ, each by itself, the first is ${first}: either their weights are not those of ${side}, or something else is computed with them; too few pixels are recorded to tell which`,
    cure: "Make sure that the golden file is from the checkpoint that the model is made of, and that PyTorch's code is torchvision's.",
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
    cure: `Pass ${option('checkpoint')}, which tells which; or capture in float32 on the CPU.`,
  };
}

/** Without the checkpoint nothing tells which of BatchNorm's numbers it is. */
function otherBatchNorms(count: number, bias: boolean): Story {
  return {
    id: 'batch-norm',
    where: null,
    summary: bias
      ? `${count} layers of PyTorch's network add other biases than the model, and are alike otherwise: BatchNorm's bias or running_mean is another or lost, on one side`
      : `BatchNorm does otherwise in PyTorch's network than in the model, in ${count} layers, and their kernels are alike: training mode, another epsilon, or other statistics`,
    cure: `Pass ${option('checkpoint')}, which tells which; or call model.eval() in PyTorch and capture again.`,
  };
}
