import { toNHWC } from '../../numbers/layout.js';
import type { LayerVisitor } from '../../runtimes/tfjs/load.js';
import {
  type EditableModel,
  quantizationOf,
  withWeights,
} from '../../stored-model/editable-model.js';
import type { Laboratory } from '../laboratory.js';
import { LayerCases } from '../local/layer-case.js';
import { CLASSIFIER } from '../structure.js';
import { colourRanges } from './images/recipes.js';
import { explainConv, explainUnknownInput } from './one-layer/explain-conv.js';
import { explainHead } from './one-layer/explain-head.js';
import { explainPlain } from './one-layer/explain-plain.js';
import type { LayerExplanation } from './one-layer/explanation.js';
import { joinExplanations, VAGUE_IDS } from './stories.js';
import type { Finding, Lineup, Suspect } from './suspect.js';

/**
 * Each layer by itself: what PyTorch's layers before it gave, and what it gave. A layer that does not
 * follow from its input is wrong whatever else is; it is done otherwise until it does.
 */
export const singleLayers: Lineup = (lab) => layersLineup(lab, false);

/** The same where it only says that the weights of many layers differ; the last word, when all else fails. */
export const vagueLayers: Lineup = (lab) => layersLineup(lab, true);

function* layersLineup(lab: Laboratory, vague: boolean): Iterable<Suspect> {
  if (lab.golden.activations.size === 0) return;
  // What storing took from the weights is in every layer, and nothing tells it from another checkpoint.
  if (lab.checkpoint === null && quantizationOf(lab.model) !== undefined) return;
  if (vague && !(vagueFindings.get(lab) ?? null)) return;
  yield {
    id: 'layer',
    description: `PyTorch's output in place of ${vague ? 'all layers that differ' : 'each layer that is wrong by itself'}`,
    summary: '',
    cure: '',
    measure: async () => {
      const found = vagueFindings.get(lab) ?? (await examineLayers(lab));
      if (vague || !isVagueStory(found)) return found;
      vagueFindings.set(lab, found);
      return { error: found.error, convicted: false };
    },
  };
}

/** What has been found of many layers, for the end. */
const vagueFindings = new WeakMap<Laboratory, Finding>();

function isVagueStory({ story }: Finding): boolean {
  return story !== undefined && story.where === null && VAGUE_IDS.has(story.id);
}

async function examineLayers(lab: Laboratory): Promise<Finding> {
  const cases = new LayerCases(lab);
  const explained = explainAll(lab, cases);
  if (explained.length === 0) return { error: NaN, convicted: false };
  const story = joinExplanations(explained, cases.fromCheckpoint);
  const left = Math.max(...explained.map(({ explanation }) => explanation.error));
  const error = await errorWithout(lab, explained).catch(() => null);
  // Maps of another size cannot be put into the model; then the layers themselves must do.
  if (error === null) return { error: left, convicted: true, story };
  return { error, convicted: error <= 2 * lab.goal, story };
}

/** Every layer that does not follow from what goes into it, in network order. */
export function explainAll(lab: Laboratory, cases: LayerCases): LayerExplanation[] {
  const explained: LayerExplanation[] = [];
  const ranges = colourRanges(lab.golden.input, lab.golden.shape);
  for (const module of cases.recording.modules.values()) {
    if (module.type === 'linear') continue;
    const each = module.type === 'conv' ? cases.conv(module.name) : undefined;
    const explanation =
      module.type === 'conv'
        ? each
          ? explainConv(each, cases, explained, ranges)
          : explainUnknownInput(module.name, cases)
        : explainPlain(module, cases, explained);
    if (explanation !== undefined) explained.push({ layer: module.name, explanation });
  }
  return [...explained, ...explainHead(lab, cases, explained)];
}

/**
 * The error with PyTorch's output in place of all layers that were found wrong; null where that says
 * nothing, since the logits themselves are put there.
 */
async function errorWithout(
  lab: Laboratory,
  explained: readonly LayerExplanation[],
): Promise<number | null> {
  const names = new Set(explained.map(({ layer }) => layer));
  if (names.has('logits') || names.has(CLASSIFIER)) return null;
  const visit: LayerVisitor = async (layer, [image = 0]) => {
    const recorded = names.has(layer) ? lab.golden.activations.get(layer) : undefined;
    if (recorded === undefined) return undefined;
    const length = recorded.data.length / lab.golden.shape[0];
    const part = recorded.data.subarray(image * length, (image + 1) * length);
    return toNHWC(part, [1, ...recorded.shape.slice(1)]);
  };
  return lab.error({ model: rightModel(lab), visit });
}

/** The checkpoint's network, or its layers as they should be with the model's weights. */
function rightModel(lab: Laboratory): EditableModel {
  return lab.fromCheckpoint() ?? withWeights({ ...lab.model, layers: lab.canonical }, new Map());
}
