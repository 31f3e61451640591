import { batchNormWith } from '../../googlenet/weights.js';
import { type Lineup, TORCHVISION_GOLDEN } from './suspect.js';

/** torch.nn.BatchNorm2d's default; GoogLeNet's blocks have 1e-3. */
export const PYTORCH_DEFAULT_EPS = 1e-5;

/** A network in PyTorch whose BatchNorm has PyTorch's default epsilon. */
export const batchNormEps: Lineup = function* (lab) {
  const model = lab.fromCheckpoint(batchNormWith(PYTORCH_DEFAULT_EPS));
  if (model === null) return;
  yield {
    id: 'batch-norm-eps',
    description: 'BatchNorm with an epsilon of 1e-5',
    summary:
      "PyTorch's network has BatchNorm with an epsilon of 1e-5, PyTorch's default, where GoogLeNet has 1e-3",
    cure: TORCHVISION_GOLDEN,
    variation: { model },
  };
};
