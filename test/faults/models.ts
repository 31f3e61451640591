/** Faults in the topology that model.json holds. */
import { editLayers, type LayerJSON } from './files.js';
import { type Fault, type FaultRow, faultsOf, type Sound } from './types.js';

const BLOCKS = ['3a', '3b', '4a', '4b', '4c', '4d', '4e', '5a', '5b'].map((b) => `inception${b}`);
const POOLS = ['maxpool1', 'maxpool2', 'maxpool3'];
const REVERSED = [3, 2, 1, 0];
const POOL_FIRST = [3, 0, 1, 2];

export type Edit = (layer: (name: string) => LayerJSON, layers: LayerJSON[]) => void;

/** Plants an edit of the layers; `layer` finds one by its name. */
export const inModel =
  (edit: Edit, pair: 'plain' | 'transformed' = 'plain') =>
  (sound: Sound) => {
    const { files, golden } = sound[pair];
    const edited = editLayers(files, (layers) => {
      edit((name) => layers.find((layer) => layer.name === name) as LayerJSON, layers);
    });
    return { files: edited, golden };
  };

export const configured = (name: string, config: Record<string, unknown>) =>
  inModel((layer) => Object.assign(layer(name).config, config));

/** Lets a layer take its inputs from others. */
export function feed(layer: LayerJSON, ...from: string[]): void {
  layer.inbound_nodes = [from.map((name) => [name, 0, 0, {}])];
}

const fed = (name: string, from: string) => inModel((layer) => feed(layer(name), from));

/** Takes a layer out; those that it fed take its input. */
function remove(layers: LayerJSON[], name: string): void {
  const at = layers.findIndex((layer) => layer.name === name);
  const source = layers[at]?.inbound_nodes[0]?.[0]?.[0] as string;
  layers.splice(at, 1);
  for (const layer of layers) {
    if (layer.inbound_nodes[0]?.[0]?.[0] === name) feed(layer, source);
  }
}

const reordered = (blocks: readonly string[], order: readonly number[]) =>
  inModel((layer) => {
    for (const name of blocks) {
      const block = layer(name);
      const from = block.inbound_nodes[0]?.map(([source]) => source) as string[];
      feed(block, ...order.map((index) => from[index] as string));
    }
  });

export function toAverage(layer: LayerJSON): void {
  layer.class_name = 'AveragePooling2D';
}

const CONV1 = { id: 'conv1-padding' };
const CEIL = { id: 'pool-ceil-mode' };
const TRANSFORM = { id: 'transform-input' };
const ORDER = { id: 'branch-order' };

const PADDING: readonly FaultRow[] = [
  [
    'conv1 padded by same',
    CONV1,
    inModel((layer, layers) => {
      remove(layers, 'conv1.pad');
      layer('conv1').config.padding = 'same';
    }),
    'conv1',
  ],
  [
    'conv1 padded by 2 and 4, above and below',
    CONV1,
    configured('conv1.pad', {
      padding: [
        [2, 4],
        [3, 3],
      ],
    }),
    'conv1',
  ],
  [
    'conv1 padded by 4 and 2',
    CONV1,
    configured('conv1.pad', {
      padding: [
        [4, 2],
        [4, 2],
      ],
    }),
    'conv1',
  ],
  ['conv1 not padded', CONV1, inModel((_, layers) => remove(layers, 'conv1.pad')), 'conv1'],
  ['conv3 not padded', null, configured('conv3', { padding: 'valid' }), 'conv3'],
  [
    'a branch not padded',
    null,
    configured('inception3a.branch2.1', { padding: 'valid' }),
    'inception3a.branch2.1',
  ],
  [
    'a dilated convolution',
    null,
    configured('inception4d.branch3.1', { dilation_rate: [2, 2] }),
    'inception4d.branch3.1',
  ],
  ['conv2 with stride 2', null, configured('conv2', { strides: [2, 2] }), 'conv2'],
];

const POOLING: readonly FaultRow[] = [
  [
    'all pools without ceil_mode',
    CEIL,
    inModel((layer) => {
      for (const name of POOLS) layer(name).config.padding = 'valid';
    }),
    'maxpool1',
  ],
  ...POOLS.map(
    (name): FaultRow => [
      `${name} without ceil_mode`,
      CEIL,
      configured(name, { padding: 'valid' }),
      name,
    ],
  ),
  ['maxpool1 with kernel 2', null, configured('maxpool1', { pool_size: [2, 2] }), 'maxpool1'],
  ['maxpool2 with kernel 5', null, configured('maxpool2', { pool_size: [5, 5] }), 'maxpool2'],
  ['maxpool4 with stride 1', null, configured('maxpool4', { strides: [1, 1] }), 'maxpool4'],
  ['maxpool2 averages', null, inModel((layer) => toAverage(layer('maxpool2'))), 'maxpool2'],
  [
    'a branch averages',
    null,
    inModel((layer) => toAverage(layer('inception4b.branch4.0'))),
    'inception4b.branch4.0',
  ],
  [
    'avgpool takes the largest',
    null,
    inModel((layer) => {
      layer('avgpool').class_name = 'GlobalMaxPooling2D';
    }),
    'avgpool',
  ],
];

const ACTIVATIONS: readonly FaultRow[] = [
  ['conv3 without ReLU', null, configured('conv3', { activation: 'linear' }), 'conv3'],
  [
    'a branch without ReLU',
    null,
    configured('inception5b.branch2.1', { activation: 'linear' }),
    'inception5b.branch2.1',
  ],
  [
    'no ReLU at all',
    null,
    inModel((_, layers) => {
      for (const { class_name, config } of layers) {
        if (class_name === 'Conv2D') config.activation = 'linear';
      }
    }),
    'conv1',
  ],
  ['fc with ReLU', null, configured('fc', { activation: 'relu' }), 'fc'],
  ['fc with softmax', null, configured('fc', { activation: 'softmax' }), 'fc'],
];

const swapped = (block: string, order: readonly number[]): FaultRow => [
  `${block} in the order ${order.map((index) => index + 1).join(', ')}`,
  { ...ORDER, where: block },
  reordered([block], order),
  block,
];

const WIRING: readonly FaultRow[] = [
  ['all blocks reversed', ORDER, reordered(BLOCKS, REVERSED), 'inception3a'],
  ['all blocks with branch4 first', ORDER, reordered(BLOCKS, POOL_FIRST), 'inception3a'],
  ['all blocks with 2 and 3 swapped', ORDER, reordered(BLOCKS, [0, 2, 1, 3]), 'inception3a'],
  swapped('inception4a', [1, 0, 2, 3]),
  swapped('inception3b', [0, 1, 3, 2]),
  swapped('inception5b', [0, 1, 3, 2]),
  swapped('inception4c', [1, 2, 3, 0]),
  [
    '4c takes the output of 4a',
    null,
    fed('inception4c.branch1', 'inception4a'),
    'inception4c.branch1',
  ],
  [
    'a pool takes the block before',
    null,
    fed('inception4d.branch4.0', 'inception4b'),
    'inception4d.branch4.0',
  ],
];

const TRANSFORMS: readonly FaultRow[] = [
  [
    'transform_input left out',
    TRANSFORM,
    ({ plain, transformed }) => ({ files: plain.files, golden: transformed.golden }),
    'conv1',
  ],
  [
    'transform_input added',
    TRANSFORM,
    ({ plain, transformed }) => ({ files: transformed.files, golden: plain.golden }),
    'conv1',
  ],
  [
    'transform_input after the padding',
    null,
    inModel((layer) => {
      feed(layer('conv1.pad'), 'input');
      feed(layer('transform_input'), 'conv1.pad');
      feed(layer('conv1'), 'transform_input');
    }, 'transformed'),
    'conv1',
  ],
];

export const MODEL_FAULTS: readonly Fault[] = faultsOf('model', [
  ...PADDING,
  ...POOLING,
  ...ACTIVATIONS,
  ...WIRING,
  ...TRANSFORMS,
]);
