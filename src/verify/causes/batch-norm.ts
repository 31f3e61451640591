import { batchNormWith } from '../../network/plan.js';
import { BATCH_NORM_EPS, NAME } from '../structure.js';
import { type Lineup, TORCHVISION_GOLDEN } from './suspect.js';

/** torch.nn.BatchNorm2d's default, none at all, and what people try. */
const OTHER_EPSILONS = [1e-5, 0, 1e-2, 1e-4, 1e-6, 1e-1];

/** A network in PyTorch whose BatchNorm has another epsilon. */
export const batchNormEps: Lineup = function* (lab) {
  for (const eps of OTHER_EPSILONS) {
    const model = lab.fromCheckpoint(batchNormWith(eps));
    if (model === null) return;
    const whose = eps === 1e-5 ? ", PyTorch's default," : '';
    yield {
      id: 'batch-norm-eps',
      description: `BatchNorm with an epsilon of ${showEpsilon(eps)}`,
      summary: `PyTorch's network has BatchNorm with an epsilon of ${showEpsilon(eps)}${whose} where ${NAME} has ${showEpsilon(BATCH_NORM_EPS)}`,
      cure: TORCHVISION_GOLDEN,
      variation: { model },
    };
  }
};

/** As people write it: `1e-5`. */
export function showEpsilon(eps: number): string {
  return eps === 0 ? '0' : Number(eps.toPrecision(2)).toExponential();
}
