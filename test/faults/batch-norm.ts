/** Weights folded with wrong ideas of BatchNorm. */
import { type BatchNorm, foldedWith } from './folding.js';
import { type Fault, type FaultRow, faultsOf, type Sound } from './types.js';

const folded =
  (batchNorm: BatchNorm) =>
  ({ plain: { files, golden }, tensors }: Sound) => ({
    files: foldedWith(files, tensors, batchNorm),
    golden,
  });

const EPSILON = { id: 'batch-norm-eps' };
const EPS = 0.001;

const withEpsilon =
  (eps: number): BatchNorm =>
  ({ gamma, beta, mean, variance }) => {
    const factor = gamma / Math.sqrt(variance + eps);
    return [factor, beta - mean * factor];
  };

const ROWS: readonly FaultRow[] = [
  ["BatchNorm with PyTorch's epsilon", EPSILON, folded(withEpsilon(1e-5)), 'conv1'],
  ['BatchNorm without epsilon', EPSILON, folded(withEpsilon(0)), 'conv1'],
  [
    'BatchNorm with the epsilon outside the root',
    null,
    folded(({ gamma, beta, mean, variance }) => {
      const factor = gamma / (Math.sqrt(variance) + EPS);
      return [factor, beta - mean * factor];
    }),
    'conv1',
  ],
  [
    'BatchNorm with mean and variance mixed up',
    null,
    folded(({ gamma, beta, mean, variance }) => {
      const factor = gamma / Math.sqrt(Math.abs(mean) + EPS);
      return [factor, beta - variance * factor];
    }),
    'conv1',
  ],
  [
    'BatchNorm without gamma',
    null,
    folded((norm) => withEpsilon(EPS)({ ...norm, gamma: 1 })),
    'conv1',
  ],
  [
    'BatchNorm without beta',
    null,
    folded((norm) => withEpsilon(EPS)({ ...norm, beta: 0 })),
    'conv1',
  ],
  [
    'BatchNorm without mean',
    null,
    folded((norm) => withEpsilon(EPS)({ ...norm, mean: 0 })),
    'conv1',
  ],
  [
    'BatchNorm without the root',
    null,
    folded(({ gamma, beta, mean, variance }) => {
      const factor = gamma / (variance + EPS);
      return [factor, beta - mean * factor];
    }),
    'conv1',
  ],
  [
    'BatchNorm with gamma missing in the bias',
    null,
    folded(({ gamma, beta, mean, variance }) => {
      const root = Math.sqrt(variance + EPS);
      return [gamma / root, beta - mean / root];
    }),
    'conv1',
  ],
  ['BatchNorm left out', null, folded(() => [1, 0]), 'conv1'],
];

/** The folding of these faults with nothing wrong, which must not be caught. */
export const soundFolding = folded(withEpsilon(EPS));

export const BATCH_NORM_FAULTS: readonly Fault[] = faultsOf('artifacts', ROWS);
