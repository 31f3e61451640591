import type { LayerVisitor } from '../../runtimes/tfjs/load.js';
import { type EditableModel, inputsOf, withWeights } from '../../stored-model/editable-model.js';
import type { Laboratory } from '../laboratory.js';
import {
  BFLOAT16,
  FLOAT16,
  isOnGrid,
  type Round,
  type Rounding,
  TF32,
  TF32_CUT,
} from '../rounding.js';
import { CLASSIFIER } from '../structure.js';
import { type BatchNormParameters, normalize, rawNetwork, relu } from './raw-network.js';
import { type Finding, type Lineup, type Suspect, TORCHVISION_GOLDEN } from './suspect.js';

/** A golden file that PyTorch computed in less than float32. */
export const precisionSuspects: Lineup = function* (lab) {
  // A bfloat16 number mostly is a float16 number too, so the coarser grid goes first.
  for (const rounding of [BFLOAT16, FLOAT16]) {
    if (lab.checkpoint !== null) yield roundedCheckpoint(lab, rounding);
    if (isOnGrid(lab.golden.logits, rounding)) yield halfPrecision(rounding);
  }
  if (lab.checkpoint !== null) {
    yield tf32(lab, TF32);
    yield tf32(lab, TF32_CUT);
  }
};

const REAL_FLOAT32 = 'Make the golden file in float32: model.float(), and no autocast.';

/** float32 arithmetic on weights that were rounded: a checkpoint saved in half and loaded again. */
function roundedCheckpoint(lab: Laboratory, rounding: Rounding): Suspect {
  return {
    id: `precision-${rounding.name}`,
    description: `the checkpoint's weights rounded to ${rounding.name}`,
    summary: `PyTorch's weights were rounded to ${rounding.name}`,
    cure: TORCHVISION_GOLDEN,
    measure: async () => {
      const network = roundedNetwork(lab, rounding.round);
      if (network === null) return { error: NaN };
      const visit: LayerVisitor = async (layer, _shape, read) => {
        const parameters = network.batchNorms.get(layer);
        return parameters && relu(normalize(await read(), parameters));
      };
      return { error: await lab.error({ model: network.model, visit }) };
    },
  };
}

/**
 * Every logit is a number of that precision, which chance cannot bring about; rounding on the way
 * went its own way, so that the error only tells whether rounding is all there is.
 */
function halfPrecision(rounding: Rounding): Suspect {
  return {
    id: `precision-${rounding.name}`,
    description: `every layer rounded to ${rounding.name}`,
    summary: `PyTorch computed in ${rounding.name}: so coarse are all logits of the golden file`,
    cure: REAL_FLOAT32,
    measure: (lab, before) => simulateHalf(lab, rounding, before),
  };
}

async function simulateHalf(
  lab: Laboratory,
  { round }: Rounding,
  before: number,
): Promise<Finding> {
  const network = roundedNetwork(lab, round) ?? {
    model: roundWeights(lab.model, round),
    batchNorms: new Map(),
  };
  const visit: LayerVisitor = async (layer, _shape, read) => {
    const values = round(await read());
    const parameters: BatchNormParameters | undefined = network.batchNorms.get(layer);
    return parameters ? relu(round(normalize(values, parameters))) : values;
  };
  const variation = { model: network.model, visit, logits: round };
  const error = await lab.error(variation, 2 * before);
  return { error, convicted: error < 2 * before && before < MOST_BY_ROUNDING };
}

/** Beyond this, rounding is not all that is the matter. */
const MOST_BY_ROUNDING = 0.2;

/** The checkpoint's network with every parameter rounded, as `model.half()` does. */
function roundedNetwork(lab: Laboratory, round: Round) {
  const raw = rawNetwork(lab);
  if (raw === null) return null;
  const batchNorms = new Map(
    [...raw.batchNorms].map(([name, { gamma, beta, mean, variance }]) => [
      name,
      { gamma: round(gamma), beta: round(beta), mean: round(mean), variance: round(variance) },
    ]),
  );
  return { model: roundWeights(raw.model, round), batchNorms };
}

function roundWeights(model: EditableModel, round: Round): EditableModel {
  const rounded = [...model.weights]
    .filter(([name]) => !name.startsWith('transform_input/'))
    .map(([name, { data }]) => [name, round(data)] as const);
  return withWeights(model, new Map(rounded));
}

/** NVIDIA's default for convolutions in PyTorch; not so for linear layers. */
function tf32(lab: Laboratory, rounding: Rounding): Suspect {
  return {
    id: 'precision-tf32',
    description: `convolutions in TF32${rounding === TF32 ? '' : ', cut off'}`,
    summary: 'PyTorch computed in TF32, as it does by default on NVIDIA GPUs since Ampere',
    cure: 'Set torch.backends.cudnn.allow_tf32 = False and torch.backends.cuda.matmul.allow_tf32 = False, or capture on the CPU.',
    measure: async (_lab, before) => {
      const error = await simulateTf32(lab, rounding.round, MOSTLY_CLOSED * before);
      return { error, convicted: before < MOST_BY_ROUNDING && error < MOSTLY_CLOSED * before };
    },
  };
}

/**
 * Sums in another order flip single roundings, and those flip others, so that about half of the gap
 * remains after 20 layers. Rounding that is not to blame would widen the gap.
 */
const MOSTLY_CLOSED = 0.75;

/** @param enough beyond this the error is of no interest */
async function simulateTf32(lab: Laboratory, round: Round, enough: number): Promise<number> {
  const raw = rawNetwork(lab);
  if (raw === null) return NaN;
  const kernels = [...raw.model.weights].filter(
    ([name]) => name.endsWith('/kernel') && name !== `${CLASSIFIER}/kernel`,
  );
  const rounded = new Map(kernels.map(([name, { data }]) => [name, round(data)]));
  const convolutions = raw.model.layers.filter(({ class_name }) => class_name === 'Conv2D');
  const roundedInputs = new Set(convolutions.flatMap(inputsOf));
  const visit: LayerVisitor = async (layer, _shape, read) => {
    const parameters = raw.batchNorms.get(layer);
    if (parameters === undefined && !roundedInputs.has(layer)) return undefined;
    const values = await read();
    const output = parameters ? relu(normalize(values, parameters)) : values;
    // Max-pools and concatenations pass rounded values on as they are.
    return roundedInputs.has(layer) ? round(output) : output;
  };
  return lab.error({ model: withWeights(raw.model, rounded), visit }, enough);
}
