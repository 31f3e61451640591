/** Mistakes that were made in PyTorch; `further.py` makes them. */
import { convertCheckpoint, readGolden } from '../../../src/index.js';
import { type Further, further, type Ground, MODEL_BLAMED, named, type Options } from './types.js';

/** Name there, name here, and what a true name says. */
type Row = readonly [file: string, name: string, truth: readonly RegExp[], options?: Options];

/** The right model, against a golden file that is not. */
const against = ([file, name, truth, options]: Row): Further =>
  further(
    name,
    [file],
    truth,
    async ({ plain, spoilt }) => ({ files: plain.files, golden: await spoilt(file) }),
    options,
  );

const ALWAYS = { always: true };
const UNNAMEABLE = { unnameable: true };

const BATCH_STATISTICS =
  /training|train mode|train\(\)|batch statistics|statistics of (the|each|its|their) (own )?batch|in batch mode/i;
const STATISTICS = /running|statistic|reset|mean of 0|variance of 1|mean 0|variance 1/i;
const EPSILON = /eps/i;
const BFLOAT16 = /bfloat16|bf16|brain/i;
const FLOAT16 = /(?<!b)float16|half|\b16.bit|\bfp16/i;
const WEIGHTS = /weight|kernel|tensor|parameter|checkpoint/i;
const SCALED = /scal|factor|times|multipl|temperature|divided/i;
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

const CLASSES = /class|logit/i;
const MOVED = /order|swap|exchang|permut|mov|shift|roll|off by/i;

const LOGITS: readonly Row[] = [
  ['logits-sigmoid', 'sigmoid saved as logits', [/sigmoid/i], ALWAYS],
  ['logits-softmax-of-half', 'softmax of halved logits saved as logits', [/softmax|probabilit/i]],
  ['logits-temperature', 'logits divided by a temperature', [SCALED], ALWAYS],
  [
    'logits-less-their-largest',
    'logits less their largest',
    [/constant|largest|maximum|shift|offset|subtract|same amount|less/i],
  ],
  ['logits-of-unit-length', 'logits of unit length', [/norm|unit|length|scal|factor/i]],
  [
    'logits-one-hot',
    'the best class alone saved as logits',
    [/one.?hot|argmax|best class|top/i],
    UNNAMEABLE,
  ],
  ['logits-sorted', 'logits sorted', [/sort|descending|order/i]],
  ['logits-classes-moved', 'classes moved by one', [CLASSES, MOVED], ALWAYS],
  ['logits-two-classes-swapped', 'two classes swapped', [CLASSES, MOVED]],
  ['logits-classes-as-text', 'classes in the order of their numbers as text', [CLASSES, MOVED]],
  ['logits-negative', 'negative logits', [/negat|sign|minus|-1/i]],
  [
    'logits-second-as-first',
    "one image's logits are another's",
    [/image/i, /\b1\b|second|one|same|twice/i],
  ],
  ['mirrored-too', 'logits averaged with those of mirrored images', [/mirror|flip|augment|TTA/i]],
  [
    'ensemble',
    'logits averaged with those of another network',
    [/ensemble|averag|another|other|weights/i],
    UNNAMEABLE,
  ],
];

const NORMALISED = /normali[sz]|\bmean|\bstd|deviation|constants/i;
const RESAMPLED = /resiz|resampl|interpol|antialias|bicubic|crop|letterbox|nearest|scal/i;
const SHIFTED = /shift|mov|offset|pixel (to|off)|off by|crop/i;
const WHICH = /image (number |no\. |#)?1\b|second image|one image|one of the images/i;

/** True of all of these. */
const OTHER_IMAGES = /(other|another|different) (image|picture|input)s?/i;

const given = (
  what: string,
  name: string,
  truth: readonly RegExp[],
  options: Options = {},
): Row => [
  `given-${what}`,
  `PyTorch was given ${name}`,
  truth,
  { layer: 'conv1', half: OTHER_IMAGES, ...options },
];

const INPUTS: readonly Row[] = [
  given(
    'clip',
    "images normalised with CLIP's constants",
    [/CLIP|normali[sz]|\bmean|\bstd|deviation|constants/i],
    ALWAYS,
  ),
  // The very numbers that transform_input makes.
  given('half-half', 'images normalised to -1 to 1', [
    /0\.5|normali[sz]|\bmean|-1|transform_input/i,
  ]),
  given('mean-alone', 'images less their mean alone', [NORMALISED]),
  given('std-alone', 'images divided by the deviation alone', [NORMALISED]),
  given(
    'caffe',
    "images as Caffe's GoogLeNet wants them",
    [/BGR|red and blue|255|caffe|normali[sz]/i],
    UNNAMEABLE,
  ),
  given('255-normalized', 'images from 0 to 255, then normalised', [/255/]),
  given('255-twice', 'images divided by 255 twice, then normalised', [/255|twice|dark|scal/i], {
    innocent: /without dividing/i,
  }),
  given('rbg', 'images in the order RBG', [
    /channel|colou?r|RBG|plane/i,
    /order|swap|exchang|RBG|permut|matrix|times|mix/i,
  ]),
  given('rolled', 'images rolled by one pixel', [SHIFTED], ALWAYS),
  given('moved', 'images cropped one pixel further', [SHIFTED]),
  given('moved-over-zeros', 'images moved by one pixel over zeros', [SHIFTED]),
  given('upside-down', 'images upside down', [/upside|flip|mirror|vertical/i]),
  given('turned', 'images turned by 90 degrees', [/turn|rotat|90/i]),
  given('8-bit', 'images cut to 8 bits', [/8.?bit|quanti|round|uint8/i], UNNAMEABLE),
  given('second-raw', 'the second image not normalised', [WHICH], ALWAYS),
  given('second-mirrored', 'the second image mirrored', [WHICH]),
  [
    'bicubic',
    'PyTorch resized by bicubic interpolation',
    [RESAMPLED],
    { layer: 'conv1', ...UNNAMEABLE },
  ],
  [
    'not-antialiased',
    'PyTorch resized without antialiasing',
    [RESAMPLED],
    { layer: 'conv1', ...UNNAMEABLE, ...ALWAYS },
  ],
  [
    'nearest',
    'PyTorch resized to the nearest pixel',
    [RESAMPLED],
    { layer: 'conv1', ...UNNAMEABLE },
  ],
  ['not-cropped', 'PyTorch squeezed the images', [RESAMPLED], { layer: 'conv1', ...UNNAMEABLE }],
  ['letterboxed', 'PyTorch letterboxed the images', [RESAMPLED], { layer: 'conv1', ...UNNAMEABLE }],
  [
    'larger',
    'PyTorch was given larger images',
    [/\bsizes?\b|resolution|larger|96/i],
    { layer: 'conv1', half: OTHER_IMAGES },
  ],
  [
    'other-order',
    'four images in another order',
    [/image/i, /order|permut|shift|mov|roll/i],
    { layer: 'conv1' },
  ],
  [
    'other-batch',
    'the logits of other images',
    [/image|input|batch/i],
    { layer: 'conv1', ...UNNAMEABLE },
  ],
];

/** Against the model whose transform_input is on. */
const transformed = (file: string, name: string, truth: readonly RegExp[]): Further =>
  further(
    name,
    [file],
    truth,
    async (ground) => ({ files: ground.transformed.files, golden: await ground.spoilt(file) }),
    { layer: 'conv1' },
  );

/** With a checkpoint of its own. */
async function auxiliary(ground: Ground) {
  const checkpoint = await ground.file('auxiliary.pth');
  const { files } = await convertCheckpoint(checkpoint, { imageSize: 64, transformInput: false });
  return { files, checkpoint, golden: await readGolden(await ground.file('auxiliary.golden.pth')) };
}

/** True of all that is done to the logits alone. */
const LOGITS_CHANGED = /logits (are|were) not|(done|happened) to (them|the logits)/i;

const ofLogits = ([file, name, truth, options]: Row): Row => [
  file,
  name,
  truth,
  { half: LOGITS_CHANGED, ...options },
];

const ROWS: readonly Row[] = [
  ...NORMS,
  ...PRECISION,
  ...WEIGHT_ROWS,
  ...POOLS,
  ...ACTIVATIONS,
  ...CONVOLUTIONS,
  ...LOGITS.map(ofLogits),
  ...INPUTS,
];

export const FURTHER_GOLDENS: readonly Further[] = [
  ...ROWS.map(against),
  transformed('transform-twice', 'transform_input twice', [
    // Images normalised by 0.5 are those that it has gone over once.
    /transform.*(twice|two times|second time|already|both)|0\.5/i,
  ]),
  // As if it were off, and the input what it is.
  transformed('transform-saved', 'the input saved after transform_input', [/transform/i]),
  further('logits of the first auxiliary head', ['auxiliary'], [/aux/i], auxiliary),
  against(['from-another', 'made from another checkpoint, as it says', [/checkpoint/i], ALWAYS]),
];
