/** Mistakes with what the network was given, and with its logits; `further.py` makes them. */
import { ALWAYS, type Options, type Row, UNNAMEABLE } from './types.js';

const SCALED = /scal|factor|times|multipl|temperature|divided/i;
const CLASSES = /class|logit/i;
const MOVED = /order|swap|exchang|permut|mov|shift|roll|off by/i;

export const LOGITS: readonly Row[] = [
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

export const INPUTS: readonly Row[] = [
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
