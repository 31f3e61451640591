import { batchNormWith } from '../../network/plan.js';
import { type EditableModel, withWeights } from '../../stored-model/editable-model.js';
import type { Laboratory } from '../laboratory.js';
import { BATCH_NORM_EPS } from '../structure.js';
import { scaleKernel } from '../unfolded-weights.js';
import { type RawNetwork, rawNetwork } from './raw-network.js';
import { CONVERT_AGAIN, type Lineup, LOOK } from './suspect.js';

/** Two layers of one shape that have each other's weights, on one side: all of them, or the kernels alone. */
export const exchangedLayers: Lineup = function* (lab) {
  const raw = rawNetwork(lab);
  for (const [a, b] of pairsOf(lab.model)) {
    const ways = [
      { what: `${a} and ${b}`, changes: wholly(lab.model, a, b) },
      ...(raw === null
        ? []
        : [{ what: `the kernels of ${a} and ${b}`, changes: kernelsAlone(raw, a, b) }]),
    ];
    for (const { what, changes } of ways) {
      yield {
        id: 'tensors-exchanged',
        where: a,
        description: `${what} exchanged`,
        summary:
          raw === null
            ? `${what} are exchanged, in the model or in PyTorch's network`
            : `PyTorch's network has ${what} exchanged; the model has the checkpoint's`,
        cure: raw === null ? CONVERT_AGAIN : LOOK,
        variation: { model: withWeights(lab.model, changes) },
      };
    }
  }
};

/** Layers with a kernel of one shape, in network order. */
function pairsOf({ weights }: EditableModel): [string, string][] {
  const kernels = [...weights].filter(([name]) => name.endsWith('/kernel'));
  return kernels.flatMap(([a, { shape }], i) =>
    kernels
      .slice(i + 1)
      .filter(([, other]) => String(other.shape) === String(shape))
      .map(([b]): [string, string] => [layerOf(a), layerOf(b)]),
  );
}

function layerOf(kernel: string): string {
  return kernel.slice(0, -'/kernel'.length);
}

function wholly({ weights }: Laboratory['model'], a: string, b: string) {
  return new Map(
    ['kernel', 'bias'].flatMap((field) => [
      [`${a}/${field}`, weights.get(`${b}/${field}`)?.data as Float32Array] as const,
      [`${b}/${field}`, weights.get(`${a}/${field}`)?.data as Float32Array] as const,
    ]),
  );
}

/** Each BatchNorm stays where it is. */
function kernelsAlone(raw: RawNetwork, a: string, b: string): Map<string, Float32Array> {
  const folded = (kernel: string, norm: string) => {
    const { gamma, beta, mean, variance } = raw.batchNorms.get(norm) ?? {};
    const data = raw.model.weights.get(`${kernel}/kernel`)?.data as Float32Array;
    if (!gamma || !beta || !mean || !variance) return data;
    const { scale } = batchNormWith(BATCH_NORM_EPS)(gamma, beta, mean, variance);
    return scaleKernel(data, scale);
  };
  return new Map([
    [`${a}/kernel`, folded(b, a)],
    [`${b}/kernel`, folded(a, b)],
  ]);
}
