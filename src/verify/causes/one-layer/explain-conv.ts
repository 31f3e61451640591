import { channelErrors, LOCAL_GOAL } from '../../local/errors.js';
import {
  activated,
  type ConvCase,
  convolved,
  errorOf,
  type LayerCases,
} from '../../local/layer-case.js';
import { INPUT } from '../../local/network.js';
import { FIRST, SECOND } from '../../structure.js';
import type { Range } from '../images/colours.js';
import { explainImages, lostImages, ofImages } from '../images/explain-images.js';
import { TORCHVISION_GOLDEN } from '../suspect.js';
import { otherActivation } from './activation.js';
import { otherBatchNorm } from './batch-norm.js';
import { exchangedLayer } from './exchanged-layer.js';
import {
  type ConvExplainer,
  type Explanation,
  isVague,
  type LayerExplanation,
} from './explanation.js';
import { otherInputChannels } from './input-channels.js';
import { FEW_TAPS, isOtherKernel, MANY_TAPS } from './kernel-fit.js';
import { otherKernel } from './kernels.js';
import { otherNorm } from './other-norm.js';
import { otherInput, readsStory } from './reads.js';
import { reluFirst } from './relu-first.js';
import { lessPrecision } from './rounded.js';
import { unexplained } from './unexplained.js';
import { otherWindows } from './windows.js';

const EXPLAINERS: readonly ConvExplainer[] = [
  otherInput,
  otherActivation,
  otherWindows,
  otherKernel,
  exchangedLayer,
  otherBatchNorm,
  reluFirst,
  otherInputChannels,
  otherNorm,
];

/**
 * Why a convolution with its BatchNorm and ReLU gives what it gives; undefined where it is right.
 * @param before what was found of the layers before it
 * @param ranges of the golden file's images, for each colour
 */
export function explainConv(
  each: ConvCase,
  cases: LayerCases,
  before: readonly LayerExplanation[],
  ranges: readonly Range[],
): Explanation | undefined {
  if (errorOf(each) <= LOCAL_GOAL) return undefined;
  const { fromCheckpoint } = cases;
  // Where nothing explains several layers, it is all of them, and the search takes long.
  if (before.filter(isVague).length > 3) {
    const last = before.findLast(({ explanation }) => explanation.explainer)?.explanation.explainer;
    return search(each, cases, last ? [last] : []) ?? unexplained(each, fromCheckpoint, FEW_TAPS);
  }
  const first = cases.recording.modules.get(each.name)?.from[0] === INPUT;
  const alone = first && isRight(cases, SECOND);
  return (
    (alone ? images(each, ranges, cases.transformInput) : undefined) ??
    (before.length === 0 ? search(each, cases, [lessPrecision]) : undefined) ??
    (first && !alone ? images(each, ranges, cases.transformInput) : undefined) ??
    search(each, cases, likelyFirst(before)) ??
    (first ? lostImages(each) : undefined) ??
    imagesAlone(each) ??
    (first ? otherImages(each, cases) : undefined) ??
    unexplained(each, fromCheckpoint, MANY_TAPS)
  );
}

/** Whether a layer follows from what goes into it. */
function isRight(cases: LayerCases, name: string): boolean {
  const each = cases.conv(name);
  return each !== undefined && errorOf(each) <= LOCAL_GOAL;
}

/** What explained the layer before mostly explains this one, too. */
function likelyFirst(before: readonly LayerExplanation[]): readonly ConvExplainer[] {
  const last = before.at(-1)?.explanation.explainer;
  return last === undefined ? EXPLAINERS : [last, ...EXPLAINERS.filter((each) => each !== last)];
}

function search(
  each: ConvCase,
  cases: LayerCases,
  explainers: readonly ConvExplainer[],
): Explanation | undefined {
  for (const explainer of explainers) {
    const found = explainer(each, cases);
    if (found !== undefined) return { ...found, explainer };
  }
  return undefined;
}

/** The same where the layer before it was not recorded: another may be what it reads. */
export function explainUnknownInput(name: string, cases: LayerCases): Explanation | undefined {
  const usual = cases.recording.modules.get(name)?.from[0] ?? '';
  for (const other of cases.recording.modules.keys()) {
    const input = cases.recording.recorded(other);
    const each = input && cases.conv(name, input);
    const error = each ? errorOf(each, {}, LOCAL_GOAL) : Infinity;
    if (error > LOCAL_GOAL) continue;
    const summary = () => `PyTorch's network leaves ${usual} out: ${name} reads ${other}`;
    return { ...readsStory(other), summary, layer: usual, error };
  }
  return undefined;
}

function wrongImages(each: ConvCase): number[] {
  return Array.from({ length: each.output.images }, (_, image) => image).filter(
    (image) => errorOf(ofImages(each, [image])) > LOCAL_GOAL,
  );
}

function images(
  each: ConvCase,
  ranges: readonly Range[],
  transformInput: boolean,
): Explanation | undefined {
  const wrong = wrongImages(each);
  const found = explainImages(ofImages(each, wrong), ranges, transformInput);
  if (found === undefined || wrong.length === each.output.images) return found;
  return {
    ...found,
    summary: (where) =>
      `${imageList(wrong)} alone of ${each.output.images}: ${found.summary(where)}`,
  };
}

/** The others agree with the same weights, so that these have another input. */
function imagesAlone(each: ConvCase): Explanation | undefined {
  const wrong = wrongImages(each);
  if (wrong.length === each.output.images) return undefined;
  const errors = wrong.map((image) => errorOf(ofImages(each, [image])));
  return {
    key: 'images alone',
    id: 'image-other',
    summary: (where) =>
      where === FIRST
        ? `PyTorch was given another picture than the golden file holds as ${imageList(wrong)}; the other images agree`
        : `${imageList(wrong)} alone ${wrong.length === 1 ? 'goes' : 'go'} wrong, in ${where}; the other images agree`,
    cure: TORCHVISION_GOLDEN,
    error: Math.max(...errors),
  };
}

export function imageList(images: readonly number[]): string {
  const shown = images.slice(0, 4).join(', ');
  return `image${images.length === 1 ? '' : 's'} ${shown}${images.length > 4 ? ` and ${images.length - 4} more` : ''}`;
}

/** The first layer's weights or its images: a convolution of the golden file's images it is, or not. */
function otherImages(each: ConvCase, { fromCheckpoint }: LayerCases): Explanation | undefined {
  // Rounded weights have been told before.
  const weights = isOtherKernel(each) ?? isOtherKernel(each, FEW_TAPS, true);
  const channels = channelErrors(each.expected, activated(convolved(each), each), each.channels);
  const right = channels.some((error) => error <= LOCAL_GOAL);
  if (weights === true || right) return undefined;
  const either = `or ${fromCheckpoint ? `its ${FIRST} has other weights than the checkpoint` : `${FIRST} has other weights`}`;
  return {
    key: 'other images',
    id: 'input-other',
    nowhere: true,
    summary: () =>
      `PyTorch was given other images than the golden file holds${weights === undefined ? `, ${either}` : ', beyond colours and position: resized otherwise, augmented, or other pictures'}`,
    cure: 'Save the input exactly as it goes into the model.',
    error: errorOf(each),
  };
}
