/**
 * torchvision's GoogLeNet as one table, in forward order. The model, the mapping, the printed tree
 * and the tests all derive from it. Source: torchvision/models/googlenet.py, after "Going Deeper
 * with Convolutions" (Szegedy et al., 2014), with a BatchNorm in place of each convolution's bias.
 */

/** torchvision's BasicConv2d: convolution without bias, BatchNorm, ReLU. */
export interface ConvBlock {
  /** The torch module's name, such as `inception3a.branch2.0`. */
  readonly name: string;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Square kernel's side. */
  readonly kernel: number;
  readonly stride: number;
  /** Zeros added on each side, as in PyTorch. */
  readonly padding: number;
}

/** torchvision's Inception: four branches over one input, concatenated by channel. */
export interface InceptionBlock {
  readonly name: string;
  readonly inChannels: number;
  readonly ch1x1: number;
  readonly ch3x3red: number;
  readonly ch3x3: number;
  readonly ch5x5red: number;
  readonly ch5x5: number;
  readonly poolProj: number;
}

/** nn.MaxPool2d without padding, with `ceil_mode`. */
export interface PoolBlock {
  readonly name: string;
  readonly kernel: number;
  readonly stride: number;
}

export type Stage =
  | ({ readonly type: 'conv' } & ConvBlock)
  | ({ readonly type: 'pool' } & PoolBlock)
  | ({ readonly type: 'inception' } & InceptionBlock);

/** Side of branch3's second kernel: torchvision has 3 where the paper has 5 (pytorch/vision#906). */
export type Branch3Kernel = 3 | 5;

const conv = (
  name: string,
  inChannels: number,
  outChannels: number,
  kernel: number,
  stride = 1,
): Stage => ({
  type: 'conv',
  name,
  inChannels,
  outChannels,
  kernel,
  stride,
  padding: (kernel - 1) / 2,
});

const pool = (name: string, kernel: number): Stage => ({ type: 'pool', name, kernel, stride: 2 });

type Channels = readonly [
  inChannels: number,
  ch1x1: number,
  ch3x3red: number,
  ch3x3: number,
  ch5x5red: number,
  ch5x5: number,
  poolProj: number,
];

const inception = (name: string, channels: Channels): Stage => {
  const [inChannels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, poolProj] = channels;
  return { type: 'inception', name, inChannels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, poolProj };
};

export const STAGES: readonly Stage[] = [
  conv('conv1', 3, 64, 7, 2),
  pool('maxpool1', 3),
  conv('conv2', 64, 64, 1),
  conv('conv3', 64, 192, 3),
  pool('maxpool2', 3),
  inception('inception3a', [192, 64, 96, 128, 16, 32, 32]),
  inception('inception3b', [256, 128, 128, 192, 32, 96, 64]),
  pool('maxpool3', 3),
  inception('inception4a', [480, 192, 96, 208, 16, 48, 64]),
  inception('inception4b', [512, 160, 112, 224, 24, 64, 64]),
  inception('inception4c', [512, 128, 128, 256, 24, 64, 64]),
  inception('inception4d', [512, 112, 144, 288, 32, 64, 64]),
  inception('inception4e', [528, 256, 160, 320, 32, 128, 128]),
  pool('maxpool4', 2),
  inception('inception5a', [832, 256, 160, 320, 32, 128, 128]),
  inception('inception5b', [832, 384, 192, 384, 48, 128, 128]),
];

/** Channels that the average pool leaves, and `fc` takes. */
export const FEATURES = 1024;

/** An auxiliary classifier, which only training uses, by the stage whose output it takes. */
export interface AuxHead {
  readonly name: 'aux1' | 'aux2';
  readonly stage: string;
  readonly inChannels: number;
}

export const AUX_HEADS: readonly [AuxHead, AuxHead] = [
  { name: 'aux1', stage: 'inception4a', inChannels: 512 },
  { name: 'aux2', stage: 'inception4d', inChannels: 528 },
];

/** An auxiliary head: average pool to 4x4, 1x1 convolution, two linear layers. */
export const AUX = { poolSize: 4, convChannels: 128, hidden: 1024 } as const;

/** BatchNorm's epsilon in BasicConv2d; PyTorch's default is 1e-5. */
export const BATCH_NORM_EPS = 0.001;

/** The share that each batch has in BatchNorm's running statistics: PyTorch's default. */
export const BATCH_NORM_MOMENTUM = 0.1;

/** The probabilities with which dropout zeroes a feature, before `fc` and in the auxiliary heads. */
export const DROPOUT = { main: 0.2, aux: 0.7 } as const;

/** The smallest image whose every pool output holds a pixel; PyTorch refuses less. */
export const MIN_IMAGE_SIZE = 15;

/** Beyond this, the first convolution's output alone takes more than 1 GiB. */
export const MAX_IMAGE_SIZE = 4096;

/** The convolutions of one Inception block, by branch; branch4 starts with a 3x3 max-pool, stride 1. */
export function inceptionBranches(
  block: InceptionBlock,
  branch3Kernel: Branch3Kernel,
): readonly ConvBlock[][] {
  const { name, inChannels } = block;
  const unit = (path: string, from: number, to: number, kernel: number): ConvBlock => ({
    name: `${name}.${path}`,
    inChannels: from,
    outChannels: to,
    kernel,
    stride: 1,
    padding: (kernel - 1) / 2,
  });
  return [
    [unit('branch1', inChannels, block.ch1x1, 1)],
    [
      unit('branch2.0', inChannels, block.ch3x3red, 1),
      unit('branch2.1', block.ch3x3red, block.ch3x3, 3),
    ],
    [
      unit('branch3.0', inChannels, block.ch5x5red, 1),
      unit('branch3.1', block.ch5x5red, block.ch5x5, branch3Kernel),
    ],
    [unit('branch4.1', inChannels, block.poolProj, 1)],
  ];
}

/** Every BasicConv2d of the main network, in state dict order: 57 of them. */
export function convBlocks(branch3Kernel: Branch3Kernel): ConvBlock[] {
  return STAGES.flatMap((stage) => {
    if (stage.type === 'conv') return [stage];
    return stage.type === 'inception' ? inceptionBranches(stage, branch3Kernel).flat() : [];
  });
}

/** The 1x1 convolution of an auxiliary head. */
export function auxConv({ name, inChannels }: AuxHead): ConvBlock {
  return {
    name: `${name}.conv`,
    inChannels,
    outChannels: AUX.convChannels,
    kernel: 1,
    stride: 1,
    padding: 0,
  };
}

/** Side of the square feature map that a stage gives for a square image; pools have `ceil_mode`. */
export function featureMapSize(stage: string, imageSize: number): number {
  const last = STAGES.findIndex(({ name }) => name === stage);
  return STAGES.slice(0, last + 1).reduce((size, block) => {
    if (block.type === 'pool') return Math.ceil((size - block.kernel) / block.stride) + 1;
    if (block.type === 'inception') return size;
    return Math.floor((size + 2 * block.padding - block.kernel) / block.stride) + 1;
  }, imageSize);
}
