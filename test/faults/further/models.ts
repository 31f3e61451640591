/** Mistakes in the topology that model.json holds. */

import { configured, type Edit, feed, inModel, toAverage } from '../models.js';
import type { Pair, Sound } from '../types.js';
import { ALWAYS, type Further, further, named, type Options, PYTORCH_BLAMED } from './types.js';

type Plant = (sound: Sound) => Pair;

const model = (
  name: string,
  layer: string,
  truth: readonly RegExp[],
  plant: Plant,
  options: Options = {},
): Further => further(name, [], truth, plant, { layer, innocent: PYTORCH_BLAMED, ...options });

/** A layer with other settings; a true name tells the layer and what of it. */
const set = (
  name: string,
  layer: string,
  what: RegExp,
  config: Record<string, unknown>,
  options?: Options,
): Further => model(name, layer, [named(layer), what], configured(layer, config), options);

const edited = (name: string, layer: string, what: RegExp, edit: Edit): Further =>
  model(name, layer, [named(layer), what], inModel(edit));

const STRIDE = /strid/i;
const PADDING = /pad/i;
const ACTIVATION = /relu|activation|sigmoid|tanh|elu|linear/i;
const AVERAGES = /averag|another kind|kind of pool|\bmean/i;
const WINDOW = /kernel.size|pool.size|window|size|[35].?[x×].?[35]|\b[35]\b/i;
const FED =
  /input|connect|fed|feed|takes|wire|wiring|inbound|skip|left out|missing|no target|not used|unused/i;

const SETTINGS: readonly Further[] = [
  set('strides of conv1 in model.json', 'conv1', STRIDE, { strides: [1, 1] }),
  set('strides of conv3 in model.json', 'conv3', STRIDE, { strides: [2, 2] }, ALWAYS),
  set('strides of maxpool3 in model.json', 'maxpool3', STRIDE, { strides: [1, 1] }),
  set('a dilated conv3 in model.json', 'conv3', /dilat/i, { dilation_rate: [2, 2] }),
  set('a dilated convolution of 5b in model.json', 'inception5b.branch2.1', /dilat/i, {
    dilation_rate: [2, 2],
  }),
  model(
    'conv1 padded by 2 and 3 in model.json',
    'conv1',
    [named('conv1'), PADDING],
    configured('conv1.pad', {
      padding: [
        [2, 3],
        [2, 3],
      ],
    }),
  ),
  set('relu6 in conv2 of model.json', 'conv2', /relu|activation|\b6\b/i, { activation: 'relu6' }),
  set('elu in a branch of model.json', 'inception4b.branch1', ACTIVATION, { activation: 'elu' }),
  set('tanh in conv3 of model.json', 'conv3', ACTIVATION, { activation: 'tanh' }),
  set('sigmoid at the end of model.json', 'fc', ACTIVATION, { activation: 'sigmoid' }),
  set('no ReLU in conv1 of model.json', 'conv1', ACTIVATION, { activation: 'linear' }),
  set('windows of 3 in maxpool4 of model.json', 'maxpool4', WINDOW, {
    pool_size: [3, 3],
    padding: 'same',
  }),
  set('windows of 5 in the pool of a branch', 'inception4d.branch4.0', WINDOW, {
    pool_size: [5, 5],
  }),
];

const EDITS: readonly Further[] = [
  edited('maxpool3 averages in model.json', 'maxpool3', AVERAGES, (layer) =>
    toAverage(layer('maxpool3')),
  ),
  model(
    'conv2 left out of model.json',
    'conv3',
    [/\bconv[23]\b/, FED],
    inModel((layer) => feed(layer('conv3'), 'maxpool1')),
  ),
  edited('a branch of 4d takes the block before', 'inception4d.branch1', FED, (layer) =>
    feed(layer('inception4d.branch1'), 'inception4b'),
  ),
  edited('a branch of 3b skips its pool', 'inception3b.branch4.1', FED, (layer) =>
    feed(layer('inception3b.branch4.1'), 'inception3a'),
  ),
  edited('a branch of 4c twice, another not at all', 'inception4c', FED, (layer) =>
    feed(
      layer('inception4c'),
      'inception4c.branch1',
      'inception4c.branch2.1',
      'inception4c.branch3.1',
      'inception4c.branch3.1',
    ),
  ),
];

export const FURTHER_MODELS: readonly Further[] = [...SETTINGS, ...EDITS];
