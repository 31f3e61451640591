import { option } from '../base/option.js';
import { NETWORK } from '../networks/index.js';
import { prepareBackend } from '../runtimes/backends.js';
import { quantizationOf } from '../stored-model/editable-model.js';
import { type Graph, openGraph } from '../stored-model/layers-of-graph.js';
import { openOnnxGraph } from '../stored-model/layers-of-onnx.js';
import { madeOf } from '../stored-model/provenance.js';
import type { StoredModel } from '../stored-model/stored-model.js';
import { breathe } from './breathe.js';
import { asItIs, nearTie, roundingAlone } from './causes/backend.js';
import { batchNormEps } from './causes/batch-norm.js';
import { branchOrders } from './causes/branch-orders.js';
import { everywhere } from './causes/everywhere.js';
import { exchangedLayers } from './causes/exchanged.js';
import { asGraph } from './causes/graph.js';
import {
  blurredInputs,
  inputPairs,
  inputSuspects,
  movedImages,
  roundedInputs,
  sizedInputs,
} from './causes/input.js';
import { kernelLayouts, oneKernelLayout } from './causes/kernel-layout.js';
import { noisyNetwork } from './causes/noisy-network.js';
import { otherCheckpoint } from './causes/other-checkpoint.js';
import { averagesAlone, averagesBesideLayers } from './causes/outputs/averages.js';
import { outputSuspects } from './causes/outputs.js';
import { precisionSuspects } from './causes/precision.js';
import { quantizedWeights } from './causes/quantization.js';
import { singleLayers, vagueLayers } from './causes/single-layers.js';
import { oneLayer } from './causes/splice.js';
import type { Finding, Lineup, Suspect } from './causes/suspect.js';
import { modelLayers } from './causes/topology.js';
import { torchLayers } from './causes/torch-layers.js';
import { trainingMode } from './causes/training.js';
import { weightFiles } from './causes/weight-files.js';
import { weightSuspects } from './causes/weights.js';
import type { Attempt, Cause, Diagnosis } from './diagnosis.js';
import type { Failure } from './failure.js';
import { Laboratory } from './laboratory.js';
import { readOtherWeights, readWeights } from './read-weights.js';
import { defaultRtol, rtolThatPasses } from './tolerance.js';
import type { BackendResult, VerifyOptions } from './verification.js';

/** Cheapest first: what only looks at the weights, then what needs a run or two, then the searches. */
const LINEUPS: readonly Lineup[] = [
  quantizedWeights,
  weightSuspects,
  modelLayers,
  averagesBesideLayers,
  singleLayers,
  outputSuspects,
  averagesAlone,
  inputSuspects,
  roundedInputs,
  torchLayers,
  batchNormEps,
  precisionSuspects,
  kernelLayouts,
  trainingMode,
  blurredInputs,
  movedImages,
  sizedInputs,
  everywhere,
  exchangedLayers,
  oneKernelLayout,
  inputPairs,
  oneLayer,
  branchOrders,
  vagueLayers,
];

const OTHERS =
  'The golden file says that it was made from another checkpoint than the model: other weights alone may be the whole difference.';

const GRAPH = `The graph's weights are not called as ${NETWORK.name}'s, so that no cause can be looked for: convert with ${option('format', 'layers')} and verify that.`;

/**
 * Looks for the cause of a failed parity check by trying the usual suspects on the backend `wasm`:
 * the cause is the one that closes the gap when it is taken away.
 */
export async function diagnose(failure: Failure): Promise<Diagnosis> {
  const { failing } = failure;
  const known = nearTie(failing) ?? roundingAlone(failing) ?? (await noisyNetwork(failure));
  if (known !== undefined) return { cause: known, attempts: [], hints: [] };
  try {
    const { model } = failure;
    if (model.format === 'layers') return await search(failure, { layers: model });
    const graph = model.format === 'onnx' ? openOnnxGraph(model) : openGraph(model);
    if (graph === null) return { cause: null, attempts: [], hints: [GRAPH] };
    return await search(failure, { layers: graph.layers, graph });
  } catch (error) {
    // A model that nobody here wrote may be unlike anything expected; the verdict stands all the same.
    const reason = error instanceof Error ? error.message : String(error);
    return { cause: null, attempts: [], hints: [`The search for the cause broke off: ${reason}`] };
  }
}

/** What the search works on: layers, and the graph that they stand for, if it is one that fails. */
interface Opened {
  readonly layers: StoredModel;
  readonly graph?: Graph;
}

async function search(failure: Failure, opened: Opened): Promise<Diagnosis> {
  const { model, failing, options, golden } = failure;
  const backend = await prepareBackend('wasm', options);
  const goal = goalOf(failing);
  try {
    const checkpoint = await readWeights(options.checkpoint, model.provenance);
    const lab = new Laboratory(opened.layers, golden, goal, failing.layers, checkpoint);
    try {
      return await interrogate(lab, failure, opened);
    } finally {
      lab.dispose();
    }
  } finally {
    await backend.stop();
  }
}

/** What was measured of float32; a bound that was given may be tighter than rounding. */
function goalOf({ basis, comparison, stored }: BackendResult): number {
  const { rtol } = comparison.tolerance;
  const usual = defaultRtol('float32', stored);
  if (rtol === null || basis.from === 'quantized') return usual;
  return basis.from === 'measured' ? rtol : Math.max(rtol, usual);
}

async function interrogate(
  lab: Laboratory,
  { model, failing, options }: Failure,
  { layers, graph }: Opened,
): Promise<Diagnosis> {
  const { provenance } = model;
  const attempts: Attempt[] = [];
  const before = worstError(failing);
  const first = graph === undefined ? asItIs(failing) : asGraph(failing, graph);
  const whole: Lineup = model.format === 'onnx' ? () => [] : weightFiles(model);
  const passed = await readOtherWeights(options.checkpoint, provenance);
  const other = otherCheckpoint(passed, layers);
  for (const lineup of [first, whole, other, ...LINEUPS]) {
    for (const suspect of lineup(lab)) {
      options.onProgress?.({
        backend: failing.backend.name,
        step: `looking for the cause: ${suspect.description}`,
        done: 1,
      });
      await breathe();
      const finding = await measure(lab, suspect, before);
      attempts.push({ id: suspect.id, description: suspect.description, error: finding.error });
      if (closesGap(finding, before, lab.goal)) {
        return { cause: toCause(suspect, finding, before), attempts, hints: [] };
      }
    }
  }
  const others = madeOf(provenance?.source, lab.golden.provenance) === false ? [OTHERS] : [];
  return { cause: null, attempts, hints: [...others, ...hints(lab, attempts, before, options)] };
}

/** A failure of the trial itself acquits: the model does not even run that way. */
async function measure(lab: Laboratory, suspect: Suspect, before: number): Promise<Finding> {
  try {
    if (suspect.measure !== undefined) return await suspect.measure(lab, before);
    const { variation = {} } = suspect;
    const error = await lab.error(variation);
    if (error > lab.goal || variation.input === undefined) return { error };
    // What turns the images may come to the same logits as what turns the kernels.
    return (await lab.explainsLayer(variation.input)) ? { error } : { error, convicted: false };
  } catch {
    return { error: NaN, convicted: false };
  }
}

/** Closing a gap that was hardly open proves nothing. */
function closesGap({ error, convicted }: Finding, before: number, goal: number): boolean {
  return convicted ?? (error <= goal && error <= before / 2);
}

function toCause(suspect: Suspect, finding: Finding, before: number): Cause {
  return {
    id: suspect.id,
    summary: finding.summary ?? suspect.summary,
    cure: finding.cure ?? suspect.cure,
    where: finding.where ?? suspect.where ?? null,
    ...finding.story,
    errorBefore: before,
    errorAfter: finding.error,
  };
}

function worstError({ comparison }: BackendResult): number {
  const { rtol } = comparison.required;
  return Number.isNaN(rtol) ? Infinity : rtol;
}

/** What would help to find more. */
function hints(
  lab: Laboratory,
  attempts: readonly Attempt[],
  before: number,
  { checkpoint }: VerifyOptions,
): string[] {
  const nearest = attempts.reduce<Attempt | undefined>(
    (best, each) => (each.error < (best?.error ?? before / 10) ? each : best),
    undefined,
  );
  return [
    ...(nearest === undefined
      ? []
      : [`The nearest is: ${nearest.description}; there may be a second cause beside it.`]),
    ...(quantizationOf(lab.model) === undefined
      ? []
      : [
          `The model's kernels are stored as ${quantizationOf(lab.model)}, which costs accuracy: convert without ${option('quantization')}${Number.isFinite(before) ? `, or accept the error with ${option('rtol', rtolThatPasses(before))}` : ''}.`,
        ]),
    ...(lab.checkpoint === null
      ? [
          checkpoint === undefined
            ? `Pass ${option('checkpoint')} with the .pth file that the model was made of: its weights, BatchNorm and training mode can then be tried too.`
            : 'The checkpoint is not the one that the model was made of, by its SHA-256, and was left aside.',
        ]
      : []),
    ...(lab.golden.activations.size === 0
      ? [
          'Capture the golden file with every layer (golden/capture.py --layers): the first layer that differs is then named.',
        ]
      : []),
    ...(lab.golden.input.every(Number.isInteger)
      ? [
          "The golden file's input holds whole numbers alone: if PyTorch was given others, save them in float32, as they go into the model.",
        ]
      : []),
    ...(lab.golden.provenance?.checkpointSha256
      ? []
      : ['Make sure that the golden file was made from the same checkpoint; it does not say.']),
  ];
}
