import { isPth2tfjsError } from '../../base/errors.js';
import { withOps } from '../../network/edit.js';
import { outputShape } from '../../network/shapes.js';
import type { MaxPool2d, Op, Value } from '../../network/value.js';
import { NETWORK } from '../../networks/index.js';
import { type EditableModel, withLayers } from '../../stored-model/editable-model.js';
import { describeKeras } from '../../targets/keras/lower.js';
import { type Laboratory, toLayers } from '../laboratory.js';
import { type ConvValue, isStrided, paddedConvolutions, paddingOf } from './padding.js';
import { type Lineup, type Suspect, TORCHVISION_GOLDEN } from './suspect.js';
import { oddLayers } from './topology.js';

/** Layers of PyTorch's network made otherwise, as they may have been there: edits of its graph. */
export const torchLayers: Lineup = function* (lab) {
  if (oddLayers(lab).length > 0) return;
  for (const conv of paddedConvolutions(lab)) yield* otherPaddings(lab, conv);
  yield* withoutCeilMode(lab);
  yield* poolKinds(lab);
};

/**
 * The model as the edited graph has it; undefined where nothing is left of the image somewhere, since of
 * tensors without values wasm's memory breaks, or where no layers do what the graph does.
 */
function edited(lab: Laboratory, edit: (value: Value) => Op): EditableModel | undefined {
  const graph = withOps(lab.graphFor(lab.golden.shape[2]), edit);
  if (!graph.values.every(({ shape }) => shape.every((size) => size > 0))) return undefined;
  try {
    return { ...lab.model, layers: toLayers(describeKeras(graph, NETWORK.id)) };
  } catch (error) {
    if (!isPth2tfjsError(error)) throw error;
    return undefined;
  }
}

function* otherPaddings(lab: Laboratory, conv: ConvValue): Iterable<Suspect> {
  const { path, op } = conv;
  const rest = { id: 'conv1-padding', where: path, cure: TORCHVISION_GOLDEN };
  const same = paddedAsSame(lab, conv);
  if (same !== undefined) {
    yield {
      ...rest,
      description: `${path} padded as \`same\``,
      summary: `PyTorch's network pads ${path} as \`same\`, which starts one pixel off`,
      variation: { model: same },
    };
  }
  const none = { ...op, padding: [0, 0] } as const;
  const model = edited(lab, (value) => (value.path === path ? none : value.op));
  if (model === undefined) return;
  yield {
    ...rest,
    description: `${path} without padding`,
    summary: `PyTorch's network does not pad ${path}`,
    variation: { model },
  };
}

/** TensorFlow's \`same\`, which no padding of PyTorch's is; undefined where it gives another size. */
function paddedAsSame(
  { model }: Laboratory,
  { path, op, from, shape }: ConvValue,
): EditableModel | undefined {
  const padding = paddingOf(model.layers, path)?.name;
  const [, ...sides] = from[0]?.shape ?? [];
  const covered = sides.map((side, axis) => Math.ceil(side / (op.stride[axis] as number)));
  if (padding === undefined || String(covered) !== String(shape.slice(1))) return undefined;
  const zeros = sides.map((side, axis) => {
    const [kernel, stride] = [op.kernel[axis] as number, op.stride[axis] as number];
    const total = Math.max(0, ((covered[axis] as number) - 1) * stride + kernel - side);
    return [Math.floor(total / 2), total - Math.floor(total / 2)];
  });
  return withLayers(model, (layer) =>
    layer.name === padding ? { ...layer, config: { ...layer.config, padding: zeros } } : layer,
  );
}

type PoolValue = Value & { readonly op: MaxPool2d };

function poolsOf(lab: Laboratory): PoolValue[] {
  return lab
    .graphFor(lab.golden.shape[2])
    .values.filter((value): value is PoolValue => value.op.type === 'maxPool2d');
}

function* withoutCeilMode(lab: Laboratory): Iterable<Suspect> {
  const pools = poolsOf(lab).filter(({ op }) => op.ceilMode && isStrided(op));
  const hanging = pools.filter(hangsOver);
  const groups = hanging.length > 1 ? [pools, ...hanging.map((pool) => [pool])] : [hanging];
  for (const floored of groups) {
    const paths = floored.map(({ path }) => path);
    const model = edited(lab, ({ path, op }) =>
      op.type === 'maxPool2d' && paths.includes(path) ? { ...op, ceilMode: false } : op,
    );
    if (floored.length === 0 || model === undefined) continue;
    const one = paths.length === 1 ? paths[0] : undefined;
    yield {
      id: 'pool-ceil-mode',
      where: one,
      description: `${one ?? 'pools'} without ceil_mode`,
      summary: `${one ? `${one} in PyTorch's network` : "PyTorch's network"} pools without ceil_mode`,
      cure: TORCHVISION_GOLDEN,
      variation: { model },
    };
  }
}

/** Whether the last windows hang over the edge. */
function hangsOver({ op, from, shape }: PoolValue): boolean {
  const floored = outputShape({ ...op, ceilMode: false }, [from[0]?.shape ?? []]);
  return String(floored) !== String(shape);
}

/** Average pools where the network has max-pools: all of them, those between the stages, one alone. */
function* poolKinds(lab: Laboratory): Iterable<Suspect> {
  const pools = poolsOf(lab);
  const names = pools.map(({ path }) => path);
  const strided = pools.filter(({ op }) => isStrided(op)).map(({ path }) => path);
  const inner = names.filter((name) => !strided.includes(name));
  for (const group of [names, strided, inner, ...strided.map((name) => [name])]) {
    if (group.length === 0) continue;
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
