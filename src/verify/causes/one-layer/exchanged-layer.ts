import { channelError, channelErrors, LOCAL_GOAL } from '../../local/errors.js';
import {
  activated,
  type ConvCase,
  convolved,
  errorOf,
  type LayerCases,
} from '../../local/layer-case.js';
import { CONVERT_AGAIN, LOOK } from '../suspect.js';
import { fitChannels } from './channel-fit.js';
import type { ConvExplainer, Explanation } from './explanation.js';

/** Another layer's kernel, with its BatchNorm or without. */
export const exchangedLayer: ConvExplainer = (each, cases) => {
  const { recording } = cases;
  for (const { name, type } of recording.modules.values()) {
    const other = type === 'conv' && name !== each.name ? cases.weights(name) : undefined;
    if (other?.kernel.length !== each.kernel.length) continue;
    if (!sameShape(cases, name, each)) continue;
    const { kernel, scale, offset } = other;
    const raw = convolved(each, { kernel });
    for (const [what, affine] of [
      ['weights', { scale, offset }],
      ['kernel', {}],
    ] as const) {
      const error = channelError(each.expected, activated(raw, each, affine), each.channels);
      if (error <= LOCAL_GOAL) return { ...exchangeStory(each.name, name, what, cases), error };
    }
    const error = cases.fromCheckpoint ? Infinity : errorOfFitted(each, raw);
    if (error <= 2 * LOCAL_GOAL)
      return { ...exchangeStory(each.name, name, 'kernel', cases), error };
  }
  return undefined;
};

/** Folded kernels have lost what each one's BatchNorm made of them. */
function errorOfFitted(each: ConvCase, raw: Float64Array): number {
  const fit = fitChannels(raw, each);
  if (fit === null) return Infinity;
  const errors = channelErrors(each.expected, activated(raw, each, fit), each.channels);
  return Math.max(...fit.seen.map((c) => errors[c] as number));
}

function sameShape({ recording }: LayerCases, name: string, { block }: ConvCase): boolean {
  const module = recording.modules.get(name);
  return (
    module?.type === 'conv' &&
    module.block.kernel === block.kernel &&
    module.block.inChannels === block.inChannels
  );
}

function exchangeStory(
  layer: string,
  other: string,
  what: string,
  cases: LayerCases,
): Omit<Explanation, 'error'> {
  const { fromCheckpoint } = cases;
  const back = cases.conv(other);
  const words =
    back === undefined || errorOf(back) > LOCAL_GOAL ? `: the two layers are exchanged` : '';
  const [a, b] = [layer, other].sort();
  return {
    key: `${what} of ${a} and ${b}`,
    id: 'tensors-exchanged',
    layer: a as string,
    summary: () =>
      fromCheckpoint
        ? `PyTorch's network has the ${what} of ${other} in ${layer}${words}; the model has the checkpoint's`
        : `PyTorch's ${layer} has the ${what} that ${other} has in the model${words}`,
    cure: fromCheckpoint ? LOOK : CONVERT_AGAIN,
  };
}
