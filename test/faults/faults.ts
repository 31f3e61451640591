import { BATCH_NORM_FAULTS } from './batch-norm.js';
import { GOLDEN_FAULTS } from './goldens.js';
import { INPUT_FAULTS } from './inputs.js';
import { KERNEL_FAULTS } from './kernels.js';
import { MODEL_FAULTS } from './models.js';
import type { Fault } from './types.js';
import { WEIGHT_FAULTS } from './weights.js';

export { soundFolding } from './batch-norm.js';
export type { Fault, Pair, Sound } from './types.js';

/** Everything that can be wrong between a checkpoint and the logits, one mistake at a time. */
export const FAULTS: readonly Fault[] = [
  ...MODEL_FAULTS,
  ...KERNEL_FAULTS,
  ...WEIGHT_FAULTS,
  ...BATCH_NORM_FAULTS,
  ...INPUT_FAULTS,
  ...GOLDEN_FAULTS,
];

/** Those that take long or resemble others, which run only when all are asked for. */
const FURTHER = new Set([
  'conv1 padded by 4 and 2',
  'conv3 not padded',
  'conv2 with stride 2',
  'maxpool2 without ceil_mode',
  'maxpool1 with kernel 2',
  'maxpool4 with stride 1',
  'maxpool2 averages',
  'avgpool takes the largest',
  'a branch without ReLU',
  'no ReLU at all',
  'fc with softmax',
  'all blocks with 2 and 3 swapped',
  'inception3b in the order 1, 2, 4, 3',
  'inception4c in the order 2, 3, 4, 1',
  'a pool takes the block before',
  'inception3a.branch1/kernel in OIHW',
  'inception5b.branch4.1/bias reversed',
  'inception5b.branch2.1/kernel half empty',
  'a shard of zeros',
  'numbers moved by one',
  'bytes in big-endian order',
  'weights in int8',
  'BatchNorm with the epsilon outside the root',
  'BatchNorm without beta',
  'BatchNorm without mean',
  'BatchNorm without the root',
  'BatchNorm left out',
  'BatchNorm with gamma missing in the bias',
  'input in the order GRB',
  'means and deviations in the order BGR',
  'input transposed',
  'input upside down',
  'input mirrored',
  'input one pixel off',
  'input from -1 to 1',
  'input less its mean alone',
  'input in grey',
  'PyTorch in training mode',
  'PyTorch with dropout',
  'PyTorch with batch statistics in 4b',
  'PyTorch with padded pools',
  'PyTorch with all blocks reversed',
  'PyTorch with two branches of 4d swapped',
  'PyTorch with float16 convolutions',
  'PyTorch in bfloat16',
  'PyTorch with TF32 everywhere',
  "PyTorch without fc's bias",
  'PyTorch with leaky ReLU',
  'PyTorch was given BGR, normalised as RGB',
  'PyTorch was given mirrored images',
  'PyTorch was given transposed images',
  'log_softmax saved as logits',
  'logits in another order of classes',
  'logits of an auxiliary head',
  'logits after one more step of training',
  'logits of another checkpoint',
]);

export const MAIN_FAULTS: readonly Fault[] = FAULTS.filter(({ name }) => !FURTHER.has(name));
