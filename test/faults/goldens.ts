/** Faults of the PyTorch run that a golden file was made by; `checkpoints.py` makes them. */
import { type Fault, type FaultName, type FaultRow, faultsOf, type Sound } from './types.js';

/** The model as it is, against a golden file of `checkpoints.py`. */
const against = (name: string) => async (sound: Sound) => ({
  files: sound.plain.files,
  golden: await sound.spoilt(name),
});

/** Name there, name here, what it is called, and where the error jumps. */
type Row = readonly [file: string, name: string, nameable: FaultName | null, jump?: string];

const TRAINING = { id: 'training-mode' };
const FLOAT16 = { id: 'precision-float16' };
const TF32 = { id: 'precision-tf32' };
const CEIL = { id: 'pool-ceil-mode' };
const ORDER = { id: 'branch-order' };
const BGR = { id: 'input-bgr' };

const NETWORKS: readonly Row[] = [
  ['training', 'PyTorch in training mode', TRAINING, 'conv1'],
  ['training-without-dropout', 'PyTorch with batch statistics', TRAINING, 'conv1'],
  ['dropout-alone', 'PyTorch with dropout', null, 'fc'],
  ['batch-statistics-4b', 'PyTorch with batch statistics in 4b', null, 'inception4b.branch1'],
  ['epsilon', "PyTorch with BatchNorm's default epsilon", { id: 'batch-norm-eps' }, 'conv1'],
  ['floor-pools', 'PyTorch without ceil_mode', CEIL, 'maxpool1'],
  ['floor-first-pool', 'PyTorch without ceil_mode in maxpool1', CEIL, 'maxpool1'],
  ['padded-pools', 'PyTorch with padded pools', null, 'maxpool1'],
  ['conv1-same', 'PyTorch with conv1 padded by same', { id: 'conv1-padding' }, 'conv1'],
  ['conv1-unpadded', 'PyTorch with conv1 not padded', { id: 'conv1-padding' }, 'conv1'],
  ['branches-reversed', 'PyTorch with all blocks reversed', ORDER, 'inception3a'],
  [
    'branches-4d',
    'PyTorch with two branches of 4d swapped',
    { ...ORDER, where: 'inception4d' },
    'inception4d',
  ],
  ['half', 'PyTorch in float16', FLOAT16, 'conv1'],
  ['half-weights', 'PyTorch with weights in float16', FLOAT16, 'conv1'],
  ['half-convolutions', 'PyTorch with float16 convolutions', FLOAT16, 'conv1'],
  ['bfloat16', 'PyTorch in bfloat16', null, 'conv1'],
  ['tf32', 'PyTorch with TF32 convolutions', TF32, 'conv1'],
  ['tf32-everything', 'PyTorch with TF32 everywhere', TF32, 'conv1'],
  ['fc-without-bias', "PyTorch without fc's bias", null, 'fc'],
  ['leaky-relu', 'PyTorch with leaky ReLU', null, 'conv1'],
];

const INPUTS: readonly Row[] = [
  ['given-bgr', 'PyTorch was given BGR', BGR, 'conv1'],
  ['given-bgr-pixels', 'PyTorch was given BGR, normalised as RGB', BGR, 'conv1'],
  ['given-pixels', 'PyTorch was given raw pixels', { id: 'input-not-normalized' }, 'conv1'],
  ['given-0-255', 'PyTorch was given 0 to 255', { id: 'input-0-255' }, 'conv1'],
  [
    'given-normalized-twice',
    'PyTorch was given input normalised twice',
    { id: 'input-normalized-twice' },
    'conv1',
  ],
  ['given-nhwc', 'PyTorch was given NHWC', { id: 'input-layout' }, 'conv1'],
  ['given-mirrored', 'PyTorch was given mirrored images', null, 'conv1'],
  ['given-transposed', 'PyTorch was given transposed images', null, 'conv1'],
];

const OUTPUTS: readonly Row[] = [
  ['softmax', 'softmax saved as logits', null],
  ['log-softmax', 'log_softmax saved as logits', null],
  ['rows', 'logits in another order of images', null],
  ['classes', 'logits in another order of classes', null],
  ['aux', 'logits of an auxiliary head', null],
  ['one-more-step', 'logits after one more step of training', null],
  ['other-checkpoint', 'logits of another checkpoint', null, 'conv1'],
];

export const GOLDEN_FAULTS: readonly Fault[] = faultsOf(
  'golden',
  [...NETWORKS, ...INPUTS, ...OUTPUTS].map(
    ([file, name, nameable, jump]): FaultRow =>
      jump === undefined ? [name, nameable, against(file)] : [name, nameable, against(file), jump],
  ),
);
