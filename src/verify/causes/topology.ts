import { withOps } from '../../network/edit.js';
import type { Graph } from '../../network/trace.js';
import { NETWORK } from '../../networks/index.js';
import {
  type EditableModel,
  inputsOf,
  type LayerJSON,
  withLayers,
} from '../../stored-model/editable-model.js';
import { describeKeras } from '../../targets/keras/lower.js';
import { type Laboratory, toLayers } from '../laboratory.js';
import { CONVERT_AGAIN, type Lineup, type Suspect, TORCHVISION_GOLDEN } from './suspect.js';

/** Where the model's layers are not GoogLeNet's, they are put right: a look at model.json tells. */
export const modelLayers: Lineup = function* (lab) {
  const odd = oddLayers(lab);
  if (odd.length === 0) return;
  yield* conv1PaddedOtherwise(lab);
  yield* modelPools(lab);
  yield* concatenations(lab);
  const words = odd.slice(0, 3).map((name) => oddWords(lab, name));
  const rest: Omit<Suspect, 'description' | 'summary'> = {
    id: 'topology',
    cure: CONVERT_AGAIN,
    ...(odd.length === 1 ? { where: odd[0] as string } : {}),
  };
  const summary = `the model's layers are not GoogLeNet's: ${words.join('; ')}${odd.length > 3 ? '; and others' : ''}`;
  yield {
    ...rest,
    description: "GoogLeNet's own layers with the model's weights",
    summary,
    variation: { model: { ...lab.model, layers: lab.canonical } },
  };
  const model = lab.fromCheckpoint();
  if (model === null) return;
  yield {
    ...rest,
    description: "GoogLeNet's own layers with the checkpoint's weights",
    summary: `${summary}; and its weights are not the checkpoint's`,
    variation: { model },
  };
};

/** Layers of PyTorch's network made otherwise, as they may have been there. */
export const torchLayers: Lineup = function* (lab) {
  if (oddLayers(lab).length > 0) return;
  yield* conv1Otherwise(lab);
  yield* torchPools(lab);
  yield* poolKinds(lab);
};

/** Average pools where GoogLeNet has max-pools: all of them, those between the stages, one alone. */
function* poolKinds(lab: Laboratory): Iterable<Suspect> {
  const pools = lab.canonical.filter(({ class_name }) => class_name === 'MaxPooling2D');
  const names = pools.map(({ name }) => name);
  const strided = pools.filter(isStridedPool).map(({ name }) => name);
  const inner = names.filter((name) => !strided.includes(name));
  for (const group of [names, strided, inner, ...strided.map((name) => [name])]) {
    const one = group.length === 1 ? (group[0] as string) : undefined;
    const what = one ?? (group === names ? 'every pool' : `${group[0]} and its like`);
    yield {
      id: 'pool-kind',
      where: one,
      description: `${what} as an average pool`,
      summary: `PyTorch's network has an average pool, not a max-pool, in ${what}`,
      cure: TORCHVISION_GOLDEN,
      variation: {
        model: withLayers(lab.model, (layer) =>
          group.includes(layer.name) ? { ...layer, class_name: 'AveragePooling2D' } : layer,
        ),
      },
    };
  }
}

/** What a layer of the model does otherwise than GoogLeNet's. */
function oddWords({ model, canonical }: Laboratory, name: string): string {
  const [found, right] = [model.layers, canonical].map((layers) =>
    layers.find((layer) => layer.name === name),
  );
  if (found === undefined) return `${name} is missing`;
  if (right === undefined) return `there is no ${name} in GoogLeNet`;
  if (found.class_name !== right.class_name) {
    return `${name} is a ${found.class_name}, not a ${right.class_name}`;
  }
  const value = (layer: LayerJSON, key: string) => String(layer.config[key] ?? DEFAULTS[key]);
  const fields = Object.keys(DEFAULTS).filter((key) => value(found, key) !== value(right, key));
  const words = fields.map(
    (key) => `${key} of ${value(found, key)} instead of ${value(right, key)}`,
  );
  if (!same(inputsOf(found), inputsOf(right))) {
    words.push(`the input ${inputsOf(found).join(', ')} instead of ${inputsOf(right).join(', ')}`);
  }
  return `${name} has ${words.join(' and ')}`;
}

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

const CONV1 = ['conv1', 'conv1.pad'];

/** The model's conv1 padded otherwise, and nothing else of it. */
function* conv1PaddedOtherwise(lab: Laboratory): Iterable<Suspect> {
  const canonical = lab.canonical.filter(({ name }) => CONV1.includes(name));
  const actual = lab.model.layers.filter(({ name }) => CONV1.includes(name));
  const paddings = (layers: readonly LayerJSON[]) =>
    layers.map(({ class_name, config }) => [class_name, config.padding]);
  const windows = (layers: readonly LayerJSON[]) => {
    const { strides, kernel_size, dilation_rate } =
      layers.find(({ name }) => name === 'conv1')?.config ?? {};
    return [strides, kernel_size, dilation_rate ?? [1, 1]].map(String);
  };
  if (same(paddings(canonical), paddings(actual))) return;
  if (!same(windows(canonical), windows(actual))) return;
  yield {
    id: 'conv1-padding',
    where: 'conv1',
    description: 'conv1 padded by 3 on every side',
    summary: 'the model does not pad conv1 by 3 on every side, as PyTorch does',
    cure: CONVERT_AGAIN,
    variation: { model: replaceLayers(lab.model, CONV1, canonical) },
  };
}

function* conv1Otherwise(lab: Laboratory): Iterable<Suspect> {
  const size = lab.golden.shape[2];
  const padding = (Math.ceil(size / 2) - 1) * 2 + 7 - size;
  const sides = [Math.floor(padding / 2), padding - Math.floor(padding / 2)];
  const rest = { id: 'conv1-padding', where: 'conv1', cure: TORCHVISION_GOLDEN };
  yield {
    ...rest,
    description: 'conv1 padded as `same`',
    summary: "PyTorch's network pads conv1 as `same`, which starts one pixel off",
    variation: { model: padConv1(lab.model, sides) },
  };
  // Without padding all is as with images that are smaller by it.
  if (size - 6 < NETWORK.imageSizes.min) return;
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

function* modelPools(lab: Laboratory): Iterable<Suspect> {
  const paddings = (layers: readonly LayerJSON[]) =>
    new Map(layers.filter(isStridedPool).map(({ name, config }) => [name, config.padding]));
  const [actual, canonical] = [paddings(lab.model.layers), paddings(lab.canonical)];
  const odd = [...canonical.keys()].filter((name) => actual.get(name) !== canonical.get(name));
  if (odd.length === 0) return;
  yield {
    id: 'pool-ceil-mode',
    where: odd.length === 1 ? odd[0] : undefined,
    description: 'pools with ceil_mode',
    summary: `the model's pools lack PyTorch's ceil_mode: ${odd.join(', ')}`,
    cure: CONVERT_AGAIN,
    variation: { model: poolsOf(lab.model, lab.canonical) },
  };
}

function* torchPools(lab: Laboratory): Iterable<Suspect> {
  const id = 'pool-ceil-mode';
  const canonical = new Map(
    lab.canonical.filter(isStridedPool).map(({ name, config }) => [name, config.padding]),
  );
  const hanging = [...canonical.keys()].filter((name) => canonical.get(name) === 'same');
  const all = [...canonical.keys()];
  for (const floored of hanging.length > 1 ? [all, ...hanging.map((name) => [name])] : [hanging]) {
    const graph = floorPools(lab, floored);
    if (floored.length === 0 || !holdsPixels(graph)) continue;
    const one = floored.length === 1 ? (floored[0] as string) : undefined;
    yield {
      id,
      where: one,
      description: `${one ?? 'pools'} without ceil_mode`,
      summary: `${one ? `${one} in PyTorch's network` : "PyTorch's network"} pools without ceil_mode`,
      cure: TORCHVISION_GOLDEN,
      variation: { model: poolsOf(lab.model, toLayers(describeKeras(graph, ''))) },
    };
  }
}

/** Pools some without ceil_mode; those after them meet other sizes, and are padded for these. */
function floorPools(lab: Laboratory, floored: readonly string[]): Graph {
  return withOps(lab.graphFor(lab.golden.shape[2]), ({ op, path }) =>
    op.type === 'maxPool2d' && floored.includes(path) ? { ...op, ceilMode: false } : op,
  );
}

/** Whether something is left of the image everywhere; of tensors without values wasm's memory breaks. */
function holdsPixels({ values }: Graph): boolean {
  return values.every(({ shape }) => shape.every((size) => size > 0));
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
