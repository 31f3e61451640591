import { LOCAL_GOAL } from '../../local/errors.js';
import { type ConvCase, errorOf, type LayerCases } from '../../local/layer-case.js';
import { INPUT } from '../../local/network.js';
import { type Planes, reorderImages, sameSize } from '../../local/planes.js';
import { TORCHVISION_GOLDEN } from '../suspect.js';
import type { ConvExplainer, Explanation } from './explanation.js';
import { otherPools, planesError } from './pool.js';

/** A convolution that reads something else than it should: another layer, or another pool before it. */
export const otherInput: ConvExplainer = (each, cases) => {
  const identity = planesError(each.output, each.input);
  if (identity <= 1e-6) {
    return { ...readsStory('nothing'), summary: leftOutWords, error: identity };
  }
  for (const { input, story } of [...unrecordedPools(each, cases), ...otherLayers(each, cases)]) {
    const error = errorOf(each, { input }, LOCAL_GOAL);
    if (error <= LOCAL_GOAL) return { ...story, error };
  }
  return undefined;
};

/** An identity in a layer's place. */
export const leftOutWords = (where: string) =>
  `PyTorch's network leaves ${where} out: it gives what goes into it`;

interface Reading {
  readonly input: Planes;
  readonly story: Omit<Explanation, 'error'>;
}

/** The golden file may not hold the pool before it, as where a user put one of another kind. */
function* unrecordedPools(each: ConvCase, { recording }: LayerCases): Iterable<Reading> {
  const name = recording.modules.get(each.name)?.from[0] ?? '';
  const module = recording.modules.get(name);
  const input = recording.inputOf(name);
  if (module?.type !== 'pool' || recording.recorded(name) || input === undefined) return;
  for (const { output, story } of otherPools(name, module.pool, input, each.input.height)) {
    yield { input: output, story: { ...story, layer: name } };
  }
  if (sameSize(input, each.input)) {
    yield {
      input,
      story: {
        ...readsStory(`no ${name}`),
        layer: name,
        summary: () => `PyTorch's network has no ${name}`,
      },
    };
  }
}

function* otherLayers(each: ConvCase, { recording }: LayerCases): Iterable<Reading> {
  const usual = recording.modules.get(each.name)?.from[0] ?? '';
  for (const name of [...recording.modules.keys()]) {
    const input = name === usual ? undefined : recording.recorded(name);
    if (input === undefined || !sameSize(input, each.input)) continue;
    yield { input, story: readsStory(name) };
    const own = each.input.data;
    const data = input.data.map((value, i) => value + (own[i] as number));
    yield { input: { ...input, data }, story: readsStory(`the sum of ${usual} and ${name}`) };
  }
  if (usual === INPUT) return;
  const negative = { ...each.input, data: each.input.data.map((value) => -value) };
  yield { input: negative, story: readsStory(`${usual} with the sign changed`) };
  for (const order of shifts(each.input.images)) {
    yield {
      input: reorderImages(each.input, order),
      story: readsStory(`${usual} of the images in another order`),
    };
  }
}

function shifts(images: number): number[][] {
  return Array.from({ length: Math.max(0, images - 1) }, (_, by) =>
    Array.from({ length: images }, (_, image) => (image + by + 1) % images),
  );
}

export function readsStory(what: string): Omit<Explanation, 'error'> {
  return {
    key: `reads ${what}`,
    id: 'layer-order',
    summary: (where) => `in PyTorch's network ${where} reads ${what}: layers are in another order`,
    cure: TORCHVISION_GOLDEN,
  };
}
