/** Mistakes in the numbers that the shards hold. */
import { convertCheckpoint } from '../../../src/index.js';
import type { Weight } from '../files.js';
import { type BatchNorm, foldedWith } from '../folding.js';
import { inWeights, type Weights } from '../planting.js';
import type { Pair, Sound } from '../types.js';
import { exchange, inAll, keepBits, scale, swapOutputs, toFloat16 } from '../weights.js';
import { artifact } from './artifact.js';
import { SHARDS } from './shards.js';
import { ALWAYS, type Further, further, named, type Options, UNNAMEABLE } from './types.js';

// ---------------------------------------------------------------- one tensor

/** A true name tells the tensor, or the layer and which of its tensors. */
function tensor(name: string, weight: string, edit: (weight: Weight) => void, options?: Options) {
  const [layer, kind] = weight.split('/') as [string, string];
  const truth = [named(layer), new RegExp(kind === 'bias' ? 'bias' : 'kernel|weight')];
  const plant = inWeights((weights) => edit(weights.get(weight) as Weight));
  return artifact(name, truth, plant, { layer, ...options });
}

const bitsOf = ({ data }: Weight) => new Uint32Array(data.buffer, data.byteOffset, data.length);

function flip(weight: Weight, at: number, bit: number): void {
  const bits = bitsOf(weight);
  bits[at] = ((bits[at] as number) ^ (1 << bit)) >>> 0;
}

/** Reorders the outputs, which lie innermost, by `from`. */
function outputsFrom({ shape, data }: Weight, from: (output: number, outputs: number) => number) {
  const outputs = shape.at(-1) as number;
  const right = data.slice();
  for (const i of data.keys()) {
    data[i] = right[i - (i % outputs) + from(i % outputs, outputs)] as number;
  }
}

/** Turns the order of the inputs, the last dimension but one. */
function reverseInputs({ shape, data }: Weight): void {
  const [inputs, outputs] = shape.slice(-2) as [number, number];
  const right = data.slice();
  for (const i of data.keys()) {
    const [block, input] = [Math.floor(i / outputs / inputs), Math.floor(i / outputs) % inputs];
    data[i] = right[(block * inputs + inputs - 1 - input) * outputs + (i % outputs)] as number;
  }
}

const TENSORS: readonly Further[] = [
  tensor('rubbish in the midst of a kernel', 'inception4e.branch2.1/kernel', ({ data }) => {
    for (let i = 0; i < 16; i++) data[20_000 + i] = (i % 2 ? -1 : 1) * (1 + i / 7);
  }),
  tensor('the sign of one bias of fc', 'fc/bias', (weight) => flip(weight, 7, 31)),
  tensor('the highest bit of a mantissa', 'conv2/kernel', (weight) => flip(weight, 100, 22)),
  tensor('a bias that is infinite', 'inception5a.branch4.1/bias', ({ data }) => {
    data[3] = Infinity;
  }),
  tensor('fc with its features reversed', 'fc/kernel', reverseInputs),
  tensor('fc with its biases moved', 'fc/bias', (weight) =>
    outputsFrom(weight, (o, outputs) => (o + 1) % outputs),
  ),
  tensor('conv1 divided by 255', 'conv1/kernel', ({ data }) => scale(data, 1 / 255)),
  tensor('conv2 with its inputs reversed', 'conv2/kernel', reverseInputs),
  tensor('conv1 with red and blue swapped', 'conv1/kernel', reverseInputs),
  tensor('a bias doubled', 'inception3b.branch1/bias', ({ data }) => scale(data, 2)),
];

// ---------------------------------------------------------------- several tensors

const ofLayer = (weights: Weights, layer: string) =>
  ['kernel', 'bias'].map((kind) => weights.get(`${layer}/${kind}`) as Weight);

function exchangeLayers(weights: Weights, a: string, b: string): void {
  for (const kind of ['kernel', 'bias']) exchange(weights, `${a}/${kind}`, `${b}/${kind}`);
}

const bothOf = (a: string, b: string) => [named(a), named(b)];

const LAYERS: readonly Further[] = [
  artifact(
    'two layers exchanged',
    bothOf('inception4e.branch2.1', 'inception5a.branch2.1'),
    inWeights((weights) =>
      exchangeLayers(weights, 'inception4e.branch2.1', 'inception5a.branch2.1'),
    ),
    { layer: 'inception4e.branch2.1' },
  ),
  artifact(
    'two biases exchanged',
    bothOf('inception4b.branch3.0', 'inception4c.branch3.0'),
    inWeights((weights) =>
      exchange(weights, 'inception4b.branch3.0/bias', 'inception4c.branch3.0/bias'),
    ),
    { layer: 'inception4b.branch3.0', ...ALWAYS },
  ),
  artifact(
    'the units of a layer in another order',
    [
      named('inception3a.branch4.1'),
      /channel|unit|order|permut|kernel|weight|tensor|corrupt|damaged|checkpoint/i,
    ],
    inWeights((weights) => {
      for (const weight of ofLayer(weights, 'inception3a.branch4.1')) {
        outputsFrom(weight, (o, outputs) => (5 * o + 1) % outputs);
      }
    }),
    { layer: 'inception3a.branch4.1' },
  ),
  artifact(
    'two units of a layer swapped',
    [
      named('inception5b.branch1'),
      /channel|unit|order|swap|kernel|weight|tensor|corrupt|damaged|checkpoint/i,
    ],
    inWeights((weights) => {
      for (const weight of ofLayer(weights, 'inception5b.branch1')) swapOutputs(weight, 5, 200);
    }),
    { layer: 'inception5b.branch1' },
  ),
  artifact(
    'every bias lost',
    [/biases|(all|every).*bias/i],
    inWeights((weights) => {
      for (const { name, data } of weights.values()) if (name.endsWith('/bias')) data.fill(0);
    }),
    { layer: 'conv1' },
  ),
  artifact(
    'transform_input without its offset',
    [/transform_input/],
    ({ transformed }) =>
      inWeights((weights) => (weights.get('transform_input/bias') as Weight).data.fill(0))({
        plain: transformed,
      } as Sound),
    { layer: 'conv1' },
  ),
];

// ---------------------------------------------------------------- BatchNorm

const foldedBy =
  (batchNorm: BatchNorm) =>
  ({ plain: { files, golden }, tensors }: Sound): Pair => ({
    files: foldedWith(files, tensors, batchNorm),
    golden,
  });

const EPS = 0.001;

const FOLDING: readonly Further[] = [
  artifact(
    'folded with an epsilon of 1e-2',
    [/eps/i],
    foldedBy(({ gamma, beta, mean, variance }) => {
      const factor = gamma / Math.sqrt(variance + 0.01);
      return [factor, beta - mean * factor];
    }),
    { layer: 'conv1' },
  ),
  artifact(
    'folded with the unbiased variance taken off again',
    [/variance|BatchNorm|fold/i],
    foldedBy(({ gamma, beta, mean, variance }) => {
      const factor = gamma / Math.sqrt((variance * 15) / 16 + EPS);
      return [factor, beta - mean * factor];
    }),
    { layer: 'conv1', ...UNNAMEABLE },
  ),
  artifact(
    'folded with the mean added',
    [/mean|bias|BatchNorm|fold/i],
    foldedBy(({ gamma, beta, mean, variance }) => {
      const factor = gamma / Math.sqrt(variance + EPS);
      return [factor, beta + mean * factor];
    }),
    { layer: 'conv1', ...UNNAMEABLE },
  ),
  artifact(
    'one layer left unfolded',
    [
      named('inception5b.branch1'),
      /kernel|bias|weight|BatchNorm|fold|tensor|corrupt|damaged|checkpoint/i,
    ],
    (sound) => {
      const unfolded = foldedBy(() => [1, 0])(sound).files;
      return onlyIn(sound, unfolded, 'inception5b.branch1');
    },
    { layer: 'inception5b.branch1' },
  ),
];

/** The sound pair, with one layer's weights from other files. */
function onlyIn(sound: Sound, from: Pair['files'], layer: string): Pair {
  const taken = new Map<string, Float32Array>();
  inWeights((weights) => {
    for (const { name, data } of ofLayer(weights, layer)) taken.set(name, data.slice());
  })({ plain: { files: from, golden: sound.plain.golden } } as Sound);
  return inWeights((weights) => {
    for (const { name, data } of ofLayer(weights, layer)) data.set(taken.get(name) as Float32Array);
  })(sound);
}

// ---------------------------------------------------------------- precision

/** To 256 steps between the smallest and the largest number, as TensorFlow.js's uint8 has them. */
function toUint8(data: Float32Array): void {
  const [low, high] = [Math.min(...chunks(data, Math.min)), Math.max(...chunks(data, Math.max))];
  const step = (high - low) / 255;
  for (const [i, value] of data.entries()) data[i] = Math.round((value - low) / step) * step + low;
}

/** Extremes of pieces, since a call takes a limited number of arguments. */
function chunks(data: Float32Array, extreme: (...values: number[]) => number): number[] {
  const count = Math.ceil(data.length / 10_000);
  return Array.from({ length: count }, (_, i) =>
    extreme(...data.subarray(10_000 * i, 10_000 * (i + 1))),
  );
}

const inKernels = (edit: (data: Float32Array) => void) =>
  inWeights((weights) => {
    for (const { shape, data } of weights.values()) if (shape.length > 1) edit(data);
  });

function cutTo16Bits(data: Float32Array): void {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  for (const [i, word] of bits.entries()) bits[i] = (word & 0xffff0000) >>> 0;
}

const PRECISION: readonly Further[] = [
  artifact('kernels in float16, biases not', [/(?<!b)float16|half|16.bit/i], inKernels(toFloat16), {
    layer: 'conv1',
  }),
  artifact('weights cut to bfloat16', [/bfloat16|bf16|16.bit|upper half/i], inAll(cutTo16Bits), {
    layer: 'conv1',
  }),
  artifact(
    'weights in TF32',
    [/TF32|10 bits|float16|mantissa/i],
    inAll((data) => keepBits(data, 13)),
    {
      layer: 'conv1',
    },
  ),
  artifact('kernels in uint8, biases not', [/u?int8|8.?bit|quanti/i], inKernels(toUint8), {
    layer: 'conv1',
  }),
];

// ---------------------------------------------------------------- another checkpoint

/** The model was made from another checkpoint than the one that is passed beside it. */
const OTHER = further(
  'the model was made from another checkpoint',
  ['dead-channels'],
  [/other checkpoint|different checkpoint|not (the )?(one|checkpoint)|(made|converted) (from|of)/i],
  async (ground) => {
    const other = await ground.file('dead-channels.pth');
    const { files } = await convertCheckpoint(other, { imageSize: 64, transformInput: false });
    return { files, golden: ground.plain.golden };
  },
  { layer: 'conv2', half: /checkpoint|PyTorch/i },
);

/** Below what any bound on logits can see; nothing is to be said of it that is not true. */
export const LOWEST_BIT = tensor(
  'the lowest bit of a mantissa',
  'inception4a.branch1/kernel',
  (weight) => flip(weight, 1234, 0),
);

export const FURTHER_WEIGHTS: readonly Further[] = [
  ...TENSORS,
  ...LAYERS,
  ...FOLDING,
  ...PRECISION,
  ...SHARDS,
  OTHER,
];
