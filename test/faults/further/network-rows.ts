/** Mistakes with the network in PyTorch; `further.py` makes them. */
import { ALWAYS, MODEL_BLAMED, named, type Row, UNNAMEABLE } from './types.js';

const BATCH_STATISTICS =
  /training|train mode|train\(\)|batch statistics|statistics of (the|each|its|their) (own )?batch|in batch mode/i;
const STATISTICS = /running|statistic|reset|mean of 0|variance of 1|mean 0|variance 1/i;
const EPSILON = /eps/i;
const BFLOAT16 = /bfloat16|bf16|brain/i;
const FLOAT16 = /(?<!b)float16|half|\b16.bit|\bfp16/i;
const WEIGHTS = /weight|kernel|tensor|parameter|checkpoint/i;
const AVERAGES = /averag|avgpool2d|another kind|kind of pool|\bmean/i;
const RELU = /relu|activation|non-?linear|rectif/i;
const ORDER = /order|swap|exchang|permut|interchang/i;
const PADDING = /pad|border|edge|reflect/i;

const NORMS: readonly Row[] = [
  [
    'training-with-four',
    'PyTorch in training mode, four images',
    [BATCH_STATISTICS],
    { layer: 'conv1' },
  ],
  [
    'batch-norm-by-batch',
    'every BatchNorm without running statistics',
    [BATCH_STATISTICS],
    { layer: 'conv1', ...ALWAYS },
  ],
  [
    'batch-norm-by-batch-5a',
    'BatchNorm in 5a by its batch',
    [BATCH_STATISTICS, /5a/],
    { layer: 'inception5a.branch1' },
  ],
  [
    'statistics-reset',
    'the statistics of every BatchNorm reset',
    [STATISTICS],
    { layer: 'conv1', ...ALWAYS },
  ],
  [
    'statistics-reset-conv2',
    'the statistics of one BatchNorm reset',
    [STATISTICS, named('conv2')],
    { layer: 'conv2' },
  ],
  ['epsilon-0.01', 'epsilon of 1e-2', [EPSILON], { layer: 'conv1', ...ALWAYS }],
  ['epsilon-none', 'epsilon of 1e-12', [EPSILON], { layer: 'conv1' }],
  [
    'epsilon-one',
    'epsilon of 1e-5 in one BatchNorm',
    [EPSILON, named('inception3b.branch3.0')],
    { layer: 'inception3b.branch3.0' },
  ],
  [
    'affine-lost',
    'every BatchNorm with a weight of 1 and a bias of 0',
    [/affine|gamma|beta|bn\.|BatchNorm/i],
    { layer: 'conv1', ...UNNAMEABLE },
  ],
  [
    'instance-norm',
    'InstanceNorm in the place of BatchNorm',
    [/instance|each image|per image|batch statistics|BatchNorm/i],
    { layer: 'conv1', ...UNNAMEABLE },
  ],
  ['heavy-dropout', 'dropout of a half, alone', [/dropout/i], { layer: 'fc', ...UNNAMEABLE }],
];

const PRECISION: readonly Row[] = [
  ['autocast', 'autocast to bfloat16', [BFLOAT16], { layer: 'conv1' }],
  ['in-bfloat16', 'model.bfloat16()', [BFLOAT16], { layer: 'conv1' }],
  [
    'half-head',
    'fc alone in float16',
    [FLOAT16, /\bfc\b|last layer|head/i],
    { layer: 'fc', half: /\bfc\b/ },
  ],
  [
    'int8',
    'kernels quantised to int8',
    [/int8|8.?bit|quanti/i],
    { layer: 'conv1', half: /other weights/, ...UNNAMEABLE },
  ],
  ['logits-half', 'logits saved in float16', [FLOAT16, /logit|output|result|saved/i], ALWAYS],
  ['logits-bfloat16', 'logits saved in bfloat16', [BFLOAT16, /logit|output|result|saved/i]],
  ['logits-two-decimals', 'logits rounded to two decimals', [/round|decimal|digits/i]],
  [
    'given-half-input',
    'PyTorch was given images in float16',
    [FLOAT16, /input|image/i],
    { layer: 'conv1' },
  ],
];

const otherWeights = (file: string, name: string, layer: string, also: RegExp = WEIGHTS): Row => [
  file,
  name,
  [named(layer), also],
  { layer, innocent: MODEL_BLAMED },
];

const WEIGHT_ROWS: readonly Row[] = [
  [
    'pruned',
    'three tenths of every kernel pruned',
    [/prun|zero|spars|other weights/i],
    { layer: 'conv1', ...UNNAMEABLE },
  ],
  otherWeights(
    'pruned-once',
    'half of one kernel pruned',
    'inception4b.branch2.1',
    /prun|zero|spars|weight|kernel|tensor/i,
  ),
  otherWeights(
    'channel-lost',
    'a channel of conv2 lost',
    'conv2',
    /channel|prun|zero|weight|tensor|BatchNorm|bn\./i,
  ),
  otherWeights('kernel-redrawn', "one kernel is another checkpoint's", 'inception4c.branch2.1'),
  otherWeights('new-head', 'fc is new', 'fc', /weight|kernel|head|tensor|checkpoint/i),
  ['averaged', 'averaged weights', [WEIGHTS], { layer: 'conv1', ...UNNAMEABLE }],
  ['next-epoch', "another epoch's weights", [WEIGHTS], { layer: 'conv1', ...UNNAMEABLE }],
  [
    'bias-lost',
    "PyTorch's fc has no bias",
    [/\bfc\b/, /bias/],
    { layer: 'fc', innocent: MODEL_BLAMED, ...ALWAYS },
  ],
  [
    'bias-moved',
    "PyTorch's fc has its biases moved",
    [/\bfc\b/, /bias/],
    { layer: 'fc', innocent: MODEL_BLAMED },
  ],
  [
    'bias-of-one-class',
    "one bias of PyTorch's fc changed",
    [/\bfc\b/, /bias/],
    { layer: 'fc', innocent: MODEL_BLAMED },
  ],
  [
    'head-scaled',
    'fc scaled by 1.05',
    // Its kernel is another one, too.
    [/\bfc\b|logits/, /scal|factor|times|multipl|temperature|weight|kernel/i],
    { layer: 'fc', innocent: MODEL_BLAMED, ...ALWAYS },
  ],
  [
    'features-scaled',
    'features scaled by 0.8 before fc',
    // As if its kernel were: no record tells these apart.
    [/\bfc\b|features|avgpool/i, /scal|factor|times|multipl|0\.8|weight|kernel/i],
    { layer: 'fc', innocent: MODEL_BLAMED },
  ],
];

const POOLS: readonly Row[] = [
  [
    'maxpool3-average',
    'maxpool3 averages',
    [named('maxpool3'), AVERAGES],
    { layer: 'maxpool3', ...ALWAYS },
  ],
  [
    '4e-average',
    'the pool of a branch averages',
    [named('inception4e.branch4.0'), AVERAGES],
    { layer: 'inception4e.branch4.0' },
  ],
  [
    'branches-average',
    'the pools of all branches average',
    [/branch4|branches|pools/i, AVERAGES],
    { layer: 'inception3a.branch4.0' },
  ],
  ['avgpool-max', 'avgpool takes the largest', [/avgpool/, /max|largest/i], { layer: 'avgpool' }],
  [
    'maxpool2-floor',
    'maxpool2 without ceil_mode in PyTorch',
    [/ceil|floor/i, /pool/i],
    { layer: 'maxpool2' },
  ],
  [
    'maxpool4-wide',
    'maxpool4 with windows of 3',
    [named('maxpool4'), /kernel.size|window|3.?[x×].?3|size|\b3\b/i],
    { layer: 'maxpool4' },
  ],
];

const ACTIVATIONS: readonly Row[] = [
  ['conv1-linear', 'PyTorch without ReLU in conv1', [named('conv1'), RELU], { layer: 'conv1' }],
  [
    '4a-linear',
    'PyTorch without ReLU in a branch',
    [named('inception4a.branch3.0'), RELU],
    { layer: 'inception4a.branch3.0', ...ALWAYS },
  ],
  [
    'conv3-relu6',
    'ReLU6 in conv3',
    [named('conv3'), /relu|activation|clip|clamp|\b6\b/i],
    { layer: 'conv3' },
  ],
  ['relu6', 'ReLU6 everywhere', [/relu ?6|clip|clamp|capped|\b6\b/i], { layer: 'conv1' }],
  ['leaky', 'leaky ReLU everywhere', [/leaky|slope/i], { layer: 'conv1' }],
  [
    '5a-leaky',
    'leaky ReLU in a branch',
    [named('inception5a.branch1'), /leaky|slope|relu|activation/i],
    { layer: 'inception5a.branch1' },
  ],
  ['silu', 'SiLU everywhere', [/silu|swish|relu|activation/i], { layer: 'conv1', ...UNNAMEABLE }],
  ['linear', 'PyTorch without any ReLU', [RELU], { layer: 'conv1' }],
  [
    'relu-first',
    'ReLU before BatchNorm',
    [/relu|activation|order/i],
    { layer: 'conv1', ...UNNAMEABLE },
  ],
];

const CONVOLUTIONS: readonly Row[] = [
  [
    'kernels-rotated',
    "all of PyTorch's kernels rotated",
    [/rotat|turn|flip|180|mirror|layout/i],
    { layer: 'conv1', innocent: MODEL_BLAMED },
  ],
  [
    'kernels-transposed',
    "all of PyTorch's kernels transposed",
    [/transpos|turn|layout|rows and columns|swap/i],
    { layer: 'conv1', innocent: MODEL_BLAMED, ...ALWAYS },
  ],
  otherWeights(
    'kernel-transposed',
    "one of PyTorch's kernels transposed",
    'inception4b.branch2.1',
    /transpos|turn|layout|weight|kernel/i,
  ),
  ['cat-2-3', 'PyTorch concatenates 1, 3, 2, 4', [/branch/i, ORDER], { layer: 'inception3a' }],
  ['cat-3a', 'PyTorch has branch4 first in 3a', [/3a/, ORDER], { layer: 'inception3a' }],
  ['conv3-reflects', 'conv3 pads by reflection', [named('conv3'), PADDING], { layer: 'conv3' }],
  ['reflecting', 'all convolutions pad by reflection', [PADDING], { layer: 'conv1' }],
  [
    'conv3-stride-2',
    'PyTorch has stride 2 in conv3',
    [named('conv3'), /strid/i],
    { layer: 'conv3' },
  ],
  [
    'conv1-stride-1',
    'PyTorch has stride 1 in conv1',
    [named('conv1'), /strid/i],
    { layer: 'conv1' },
  ],
  ['conv1-padding-2', 'PyTorch pads conv1 by 2', [named('conv1'), /pad/i], { layer: 'conv1' }],
  [
    '3b-dilated',
    'PyTorch dilates a convolution',
    [named('inception3b.branch2.1'), /dilat/i],
    { layer: 'inception3b.branch2.1' },
  ],
];

export const NETWORK_ROWS: readonly Row[] = [
  ...NORMS,
  ...PRECISION,
  ...WEIGHT_ROWS,
  ...POOLS,
  ...ACTIVATIONS,
  ...CONVOLUTIONS,
];
