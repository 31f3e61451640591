import {
  type EditableModel,
  inputsOf,
  type LayerJSON,
  withLayers,
} from '../../stored-model/editable-model.js';
import type { Laboratory } from '../laboratory.js';
import { NAME } from '../structure.js';
import { paddedConvolutions, paddingOf } from './padding.js';
import { CONVERT_AGAIN, type Lineup, type Suspect } from './suspect.js';

/** Where the model's layers are not the network's, they are put right: a look at model.json tells. */
export const modelLayers: Lineup = function* (lab) {
  const odd = oddLayers(lab);
  if (odd.length === 0) return;
  yield* convolutionsPaddedOtherwise(lab);
  yield* modelPools(lab);
  yield* concatenations(lab);
  const words = odd.slice(0, 3).map((name) => oddWords(lab, name));
  const rest: Omit<Suspect, 'description' | 'summary'> = {
    id: 'topology',
    cure: CONVERT_AGAIN,
    ...(odd.length === 1 ? { where: odd[0] as string } : {}),
  };
  const summary = `the model's layers are not ${NAME}'s: ${words.join('; ')}${odd.length > 3 ? '; and others' : ''}`;
  yield {
    ...rest,
    description: `${NAME}'s own layers with the model's weights`,
    summary,
    variation: { model: { ...lab.model, layers: lab.canonical } },
  };
  const model = lab.fromCheckpoint();
  if (model === null) return;
  yield {
    ...rest,
    description: `${NAME}'s own layers with the checkpoint's weights`,
    summary: `${summary}; and its weights are not the checkpoint's`,
    variation: { model },
  };
};

/** What a layer of the model does otherwise than the network's. */
function oddWords({ model, canonical }: Laboratory, name: string): string {
  const [found, right] = [model.layers, canonical].map((layers) =>
    layers.find((layer) => layer.name === name),
  );
  if (found === undefined) return `${name} is missing`;
  if (right === undefined) return `there is no ${name} in ${NAME}`;
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
export function oddLayers(lab: Laboratory): string[] {
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

/** The model's strided convolutions padded otherwise, and nothing else of them. */
function* convolutionsPaddedOtherwise(lab: Laboratory): Iterable<Suspect> {
  for (const { path, op } of paddedConvolutions(lab)) {
    const names = [path, paddingOf(lab.canonical, path)?.name ?? ''];
    const canonical = lab.canonical.filter(({ name }) => names.includes(name));
    const actual = lab.model.layers.filter(({ name }) => names.includes(name));
    if (same(paddings(canonical), paddings(actual))) continue;
    if (!same(windowsOf(canonical, path), windowsOf(actual, path))) continue;
    const sides = op.padding[0] === op.padding[1] ? op.padding[0] : op.padding.join(' and ');
    yield {
      id: 'conv1-padding',
      where: path,
      description: `${path} padded by ${sides} on every side`,
      summary: `the model does not pad ${path} by ${sides} on every side, as PyTorch does`,
      cure: CONVERT_AGAIN,
      variation: { model: replaceLayers(lab.model, names, canonical) },
    };
  }
}

function paddings(layers: readonly LayerJSON[]) {
  return layers.map(({ class_name, config }) => [class_name, config.padding]);
}

function windowsOf(layers: readonly LayerJSON[], path: string): string[] {
  const { strides, kernel_size, dilation_rate } =
    layers.find(({ name }) => name === path)?.config ?? {};
  return [strides, kernel_size, dilation_rate ?? [1, 1]].map(String);
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
  const paddingsIn = (layers: readonly LayerJSON[]) =>
    new Map(layers.filter(isStridedPool).map(({ name, config }) => [name, config.padding]));
  const [actual, canonical] = [paddingsIn(lab.model.layers), paddingsIn(lab.canonical)];
  const odd = [...canonical.keys()].filter((name) => actual.get(name) !== canonical.get(name));
  if (odd.length === 0) return;
  yield {
    id: 'pool-ceil-mode',
    where: odd.length === 1 ? odd[0] : undefined,
    description: 'pools with ceil_mode',
    summary: `the model's pools lack PyTorch's ceil_mode: ${odd.join(', ')}`,
    cure: CONVERT_AGAIN,
    variation: {
      model: withLayers(lab.model, (layer) =>
        isStridedPool(layer)
          ? { ...layer, config: { ...layer.config, padding: canonical.get(layer.name) } }
          : layer,
      ),
    },
  };
}

function isStridedPool({ class_name, config }: LayerJSON): boolean {
  return class_name === 'MaxPooling2D' && String(config.strides) !== '1,1';
}

/** Concatenations whose order is not the network's, put right. */
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
