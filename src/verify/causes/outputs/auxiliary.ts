import type { StateDict } from '../../../checkpoint/tensor/tensor.js';
import { trainingGraph } from '../../../describe-model.js';
import type { Value } from '../../../network/value.js';
import { NETWORK } from '../../../networks/index.js';
import { toNCHW } from '../../../numbers/layout.js';
import { type Part, runPart } from '../../local/run-values.js';
import type { Explanation } from '../one-layer/explanation.js';
import { TORCHVISION_GOLDEN } from '../suspect.js';
import { distance, type Rows, rowAt } from './rows.js';

/**
 * Whether the golden file holds the logits of an auxiliary head, in evaluation mode.
 * @param stage what the network gave at a path: all images, channels last
 */
export function auxiliaryOutputs(
  stateDict: StateDict | undefined,
  expected: Rows,
  stage: (path: string) => Float32Array | undefined,
  goal: number,
): Explanation | undefined {
  if (stateDict === undefined) return undefined;
  for (const { name, part } of auxiliaryParts()) {
    const values = stage(part.input.path);
    if (values === undefined || !isThere(part, stateDict)) continue;
    const error = errorOf(part, stateDict, values, expected);
    if (error > goal) continue;
    const summary = `the golden file holds the logits of the auxiliary head ${name}, not those of the network`;
    return {
      key: summary,
      id: 'auxiliary-head',
      nowhere: true,
      summary: () => summary,
      cure: TORCHVISION_GOLDEN,
      error,
    };
  }
  return undefined;
}

interface Head {
  readonly name: string;
  readonly part: Part;
}

/** Each auxiliary head, from the value that it reads. */
function auxiliaryParts(): Head[] {
  const { values, outputs } = trainingGraph({
    imageSize: NETWORK.imageSizes.standard,
    numClasses: 1,
    auxClasses: [1, 1],
    transformInput: false,
    ...NETWORK.variant(() => undefined),
  });
  return outputs.slice(1).flatMap(({ path }) => {
    const name = path.split('.')[0] as string;
    const inside = values.filter((value) => value.path.startsWith(`${name}.`));
    const input = inside[0]?.from[0];
    return input === undefined ? [] : [{ name, part: { input, values: inside } }];
  });
}

/** What auxiliary heads read from. */
export const AUXILIARY_STAGES: readonly string[] = auxiliaryParts().map(
  ({ part }) => part.input.path,
);

/** Whether the checkpoint holds such a head. */
function isThere({ values }: Part, stateDict: StateDict): boolean {
  return values.every(({ op }) => !('module' in op) || stateDict.has(`${op.module}.weight`));
}

function errorOf(part: Part, stateDict: StateDict, values: Float32Array, expected: Rows): number {
  const length = values.length / expected.images;
  const errors = Array.from({ length: expected.images }, (_, image) => {
    const input = channelsFirst(values.subarray(image * length, (image + 1) * length), part.input);
    const logits = runPart(part, stateDict, input);
    if (logits?.length !== expected.columns) return Infinity;
    return distance(rowAt(expected, image), Float64Array.from(logits));
  });
  return Math.max(...errors);
}

function channelsFirst(values: Float32Array, { shape: [channels = 1] }: Value): Float32Array {
  return toNCHW(values, [1, values.length / channels, channels]);
}
