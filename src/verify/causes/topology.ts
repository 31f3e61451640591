import { MIN_IMAGE_SIZE, STAGES } from '../../googlenet/architecture.js';
import {
  type EditableModel,
  inputsOf,
  type LayerJSON,
  withLayers,
} from '../../tfjs/editable-model.js';
import type { Laboratory } from '../laboratory.js';
import { CONVERT_AGAIN, type Lineup, type Suspect, TORCHVISION_GOLDEN } from './suspect.js';

/**
 * What can be wrong with the layers. Where the model's graph is not GoogLeNet's it is put right;
 * where it is, it is made wrong in the ways in which PyTorch's model may have been.
 */
export const topologySuspects: Lineup = function* (lab) {
  const odd = oddLayers(lab);
  yield* conv1Padding(lab);
  yield* poolCeilMode(lab);
  yield* concatenations(lab);
  if (odd.length > 0) {
    yield {
      id: 'topology',
      description: "GoogLeNet's own layers with the model's weights",
      summary: `the model's layers are not GoogLeNet's: ${odd.slice(0, 3).join(', ')}${odd.length > 3 ? ' and others' : ''}`,
      cure: CONVERT_AGAIN,
      ...(odd.length === 1 ? { where: odd[0] as string } : {}),
      variation: { model: { ...lab.model, layers: lab.canonical } },
    };
  }
};

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** The layers that differ from the canonical ones in what they do, and those missing or too many. */
function oddLayers(lab: Laboratory): string[] {
  const essence = (layer: LayerJSON | undefined) =>
    layer && [
      layer.class_name,
      inputsOf(layer),
      ...Object.entries(DEFAULTS).map(([key, usual]) => layer.config[key] ?? usual),
    ];
  const byName = (layers: readonly LayerJSON[]) =>
    new Map(layers.map((layer) => [layer.name, layer]));
  const [actual, expected] = [byName(lab.model.layers), byName(lab.canonical)];
  return [...new Set([...expected.keys(), ...actual.keys()])].filter(
    (name) => !same(essence(actual.get(name)), essence(expected.get(name))),
  );
}

/** What a layer does, beside its kind and its inputs; absent means Keras's default. */
const DEFAULTS: Readonly<Record<string, unknown>> = {
  padding: 'valid',
  strides: [1, 1],
  dilation_rate: [1, 1],
  kernel_size: null,
  pool_size: [2, 2],
  activation: 'linear',
  filters: null,
  units: null,
  use_bias: true,
  axis: -1,
  depth_multiplier: 1,
  data_format: 'channels_last',
};

function* conv1Padding(lab: Laboratory): Iterable<Suspect> {
  const names = ['conv1', 'conv1.pad'];
  const canonical = lab.canonical.filter(({ name }) => names.includes(name));
  const actual = lab.model.layers.filter(({ name }) => names.includes(name));
  const essence = (layers: readonly LayerJSON[]) =>
    layers.map(({ class_name, config }) => [class_name, config.padding, config.strides]);
  const id = 'conv1-padding';
  if (!same(essence(canonical), essence(actual))) {
    yield {
      id,
      where: 'conv1',
      description: 'conv1 padded by 3 on every side',
      summary: 'the model does not pad conv1 by 3 on every side, as PyTorch does',
      cure: CONVERT_AGAIN,
      variation: { model: replaceLayers(lab.model, names, canonical) },
    };
    return;
  }
  const size = lab.golden.shape[2];
  const padding = (Math.ceil(size / 2) - 1) * 2 + 7 - size;
  const sides = [Math.floor(padding / 2), padding - Math.floor(padding / 2)];
  const rest = { id, where: 'conv1', cure: TORCHVISION_GOLDEN };
  yield {
    ...rest,
    description: 'conv1 padded as `same`',
    summary: "PyTorch's network pads conv1 as `same`, which starts one pixel off",
    variation: { model: padConv1(lab.model, sides) },
  };
  // Without padding all is as with images that are smaller by it.
  if (size - 6 < MIN_IMAGE_SIZE) return;
  yield {
    ...rest,
    description: 'conv1 without padding',
    summary: "PyTorch's network does not pad conv1",
    variation: { model: padConv1(poolsOf(lab.model, lab.layersFor(size - 6)), [0, 0]) },
  };
}

function padConv1(model: EditableModel, sides: readonly number[]): EditableModel {
  return withLayers(model, (layer) =>
    layer.name === 'conv1.pad'
      ? { ...layer, config: { ...layer.config, padding: [sides, sides] } }
      : layer,
  );
}

/** The model with its pools padded as those of other layers. */
function poolsOf(model: EditableModel, layers: readonly LayerJSON[]): EditableModel {
  const paddings = new Map(layers.map(({ name, config }) => [name, config.padding]));
  return withLayers(model, (layer) =>
    isStridedPool(layer)
      ? { ...layer, config: { ...layer.config, padding: paddings.get(layer.name) } }
      : layer,
  );
}

/** Replaces the layers of these names, which lie together, and keeps who reads from whom. */
function replaceLayers(
  model: EditableModel,
  names: readonly string[],
  layers: readonly LayerJSON[],
): EditableModel {
  const at = model.layers.findIndex(({ name }) => names.includes(name));
  const rest = model.layers.filter(({ name }) => !names.includes(name));
  return { ...model, layers: [...rest.slice(0, at), ...layers, ...rest.slice(at)] };
}

function* poolCeilMode(lab: Laboratory): Iterable<Suspect> {
  const paddings = (layers: readonly LayerJSON[]) =>
    new Map(layers.filter(isStridedPool).map(({ name, config }) => [name, config.padding]));
  const [actual, canonical] = [paddings(lab.model.layers), paddings(lab.canonical)];
  const odd = [...canonical.keys()].filter((name) => actual.get(name) !== canonical.get(name));
  const id = 'pool-ceil-mode';
  if (odd.length > 0) {
    yield {
      id,
      where: odd.length === 1 ? odd[0] : undefined,
      description: 'pools with ceil_mode',
      summary: `the model's pools lack PyTorch's ceil_mode: ${odd.join(', ')}`,
      cure: CONVERT_AGAIN,
      variation: { model: poolsOf(lab.model, lab.canonical) },
    };
    return;
  }
  const hanging = [...canonical.keys()].filter((name) => canonical.get(name) === 'same');
  const all = [...canonical.keys()];
  for (const floored of hanging.length > 1 ? [all, ...hanging.map((name) => [name])] : [hanging]) {
    if (floored.length === 0) continue;
    const one = floored.length === 1 ? (floored[0] as string) : undefined;
    yield {
      id,
      where: one,
      description: `${one ?? 'pools'} without ceil_mode`,
      summary: `${one ? `${one} in PyTorch's network` : "PyTorch's network"} pools without ceil_mode`,
      cure: TORCHVISION_GOLDEN,
      variation: { model: floorPools(lab.model, floored, lab.golden.shape[2]) },
    };
  }
}

/** Pools some without ceil_mode; those after them meet other sizes, and are padded for these. */
function floorPools(
  model: EditableModel,
  floored: readonly string[],
  imageSize: number,
): EditableModel {
  const paddings = new Map<string, string>();
  let size = Math.floor((imageSize - 1) / 2) + 1;
  for (const stage of STAGES) {
    if (stage.type !== 'pool') continue;
    const { name, kernel, stride } = stage;
    const fits = (size - kernel) % stride === 0 || floored.includes(name);
    paddings.set(name, fits ? 'valid' : 'same');
    size = Math[fits ? 'floor' : 'ceil']((size - kernel) / stride) + 1;
  }
  return withLayers(model, (layer) =>
    isStridedPool(layer)
      ? { ...layer, config: { ...layer.config, padding: paddings.get(layer.name) } }
      : layer,
  );
}

function isStridedPool({ class_name, config }: LayerJSON): boolean {
  return class_name === 'MaxPooling2D' && String(config.strides) !== '1,1';
}

/** Concatenations whose order is not GoogLeNet's, put right. */
function* concatenations(lab: Laboratory): Iterable<Suspect> {
  const actual = new Map(lab.model.layers.map((layer) => [layer.name, layer]));
  const odd = lab.canonical.filter((layer) => {
    const found = actual.get(layer.name);
    return layer.class_name === 'Concatenate' && found && !same(inputsOf(layer), inputsOf(found));
  });
  if (odd.length === 0) return;
  const right = new Map(odd.map((layer) => [layer.name, layer]));
  const names = odd.map(({ name }) => name);
  yield {
    id: 'branch-order',
    ...(names.length === 1 ? { where: names[0] as string } : {}),
    description: 'branches concatenated in order',
    summary: `the model concatenates the branches of ${names.join(', ')} in another order than PyTorch`,
    cure: CONVERT_AGAIN,
    variation: { model: withLayers(lab.model, (layer) => right.get(layer.name) ?? layer) },
  };
}
