import type { NamedBytes } from '../../stored-model/artifacts.js';
import { type EditableModel, openModel, withWeights } from '../../stored-model/editable-model.js';
import { openGraph } from '../../stored-model/layers-of-graph.js';
import { assembleModel } from '../../stored-model/open.js';
import {
  COPY_AGAIN,
  describeSpoilt,
  findSpoiltShards,
  type SpoiltShard,
  stretchesOf,
  turnNumbers,
  weightsIn,
} from '../../stored-model/spoilt-shards.js';
import type { StoredModel } from '../../stored-model/stored-model.js';
import type { Laboratory } from '../laboratory.js';
import { likelyOrder } from './shard-order.js';
import type { Lineup, Suspect } from './suspect.js';

const CURE = `${COPY_AGAIN[0]?.toUpperCase()}${COPY_AGAIN.slice(1)}.`;

/**
 * Weight files that are wrong as a whole: big-endian, zeros alone, or under each other's names.
 * @param model as it is stored, in whose files they can be told
 */
export function weightFiles(model: StoredModel): Lineup {
  return function* (lab) {
    const spoilt = findSpoiltShards(model);
    const turned = spoilt.filter(({ kind }) => kind === 'big-endian');
    const zeros = spoilt.filter(({ kind }) => kind === 'zeros');
    if (turned.length > 0) yield bigEndian(model, turned);
    if (zeros.length > 0) yield* zerosAlone(lab, model, zeros);
    const order = likelyOrder(model);
    if (order.size > 0) yield exchanged(model, order);
  };
}

function bigEndian(model: StoredModel, spoilt: readonly SpoiltShard[]): Suspect {
  const { shards, specs } = model;
  const stretches = stretchesOf(shards, specs);
  const right = shards.map((shard, i) =>
    spoilt.some(({ name }) => name === shard.name)
      ? { ...shard, bytes: turnNumbers(shard.bytes, stretches[i] ?? []) }
      : shard,
  );
  return {
    ...named(spoilt),
    id: 'weight-file-big-endian',
    description: 'weight files with the bytes of each number turned round',
    variation: { model: withShards(model, right) },
  };
}

/** Without the checkpoint nothing closes the gap, but no sound model has such a file. */
function* zerosAlone(
  lab: Laboratory,
  model: StoredModel,
  spoilt: readonly SpoiltShard[],
): Iterable<Suspect> {
  const suspect = {
    ...named(spoilt),
    id: 'weight-file-zeros',
    description: "the checkpoint's weights in place of a file of zeros",
  };
  const reference = lab.fromCheckpoint();
  if (reference === null) {
    yield { ...suspect, measure: async (_lab, before) => ({ error: before, convicted: true }) };
    return;
  }
  const inside = [...weightsIn(model, new Set(spoilt.map(({ name }) => name)))];
  const right = inside.flatMap((name) => {
    const data = reference.weights.get(name)?.data;
    return data === undefined ? [] : [[name, data] as const];
  });
  yield { ...suspect, variation: { model: withWeights(lab.model, new Map(right)) } };
}

/** @param order the files that are under a wrong name, each with the right one */
function exchanged(model: StoredModel, order: ReadonlyMap<string, string>): Suspect {
  const right = model.shards.map(({ name, bytes }) => ({
    name: order.get(name) ?? name,
    bytes,
  }));
  const parts = [...order].map(([name, place]) => `${name} holds what belongs into ${place}`);
  const more = parts.length > SHOWN ? `, and ${parts.length - SHOWN} more` : '';
  return {
    id: 'weight-file-order',
    description: 'weight files in another order',
    summary: `the model's weight files are under each other's names: ${parts.slice(0, SHOWN).join(', ')}${more}`,
    cure: 'Give each file its own name, or convert the checkpoint again.',
    variation: { model: withShards(model, right) },
  };
}

const SHOWN = 4;

function named(spoilt: readonly SpoiltShard[]): Pick<Suspect, 'summary' | 'cure' | 'where'> {
  const [first, ...others] = spoilt as [SpoiltShard, ...SpoiltShard[]];
  const more = others.length === 0 ? '' : `; likewise ${others.map(({ name }) => name).join(', ')}`;
  return {
    where: others.length === 0 ? first.name : undefined,
    summary: `${describeSpoilt(first)}${more}`,
    cure: CURE,
  };
}

/** The model with other weight files; of a graph, the layers that stand for it. */
function withShards(model: StoredModel, files: readonly NamedBytes[]): EditableModel {
  const byName = new Map(files.map((file) => [file.name, file]));
  const shards = model.shards.map((shard) => byName.get(shard.name) ?? shard);
  const changed = assembleModel(model.json, shards);
  return openModel(openGraph(changed)?.layers ?? changed);
}
