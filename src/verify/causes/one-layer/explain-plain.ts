import type { LayerCases } from '../../local/layer-case.js';
import { averagePlanes, concatenatePlanes, type Module } from '../../local/network.js';
import type { Planes } from '../../local/planes.js';
import { poolPlanes } from '../../local/pool.js';
import { NAME } from '../../structure.js';
import { explainConcatenation } from './concatenation.js';
import type { Explanation, LayerExplanation } from './explanation.js';
import { explainAverage, explainPool, planesError } from './pool.js';
import { leftOutWords, readsStory } from './reads.js';

/** A layer without weights. */
type Plain = Exclude<Module, { type: 'conv' | 'linear' }>;

/** Pools and concatenations round once at most. */
const GOAL = 1e-5;

/** What rounding to bfloat16 makes of an average. */
const ROUNDED = 2 ** -7;

/** Why a pool or a concatenation gives what it gives; undefined where it is right, or not known. */
export function explainPlain(
  module: Plain,
  { recording }: LayerCases,
  before: readonly LayerExplanation[],
): Explanation | undefined {
  const output = recording.recorded(module.name);
  const inputs = module.from.map((name) => recording.output(name));
  if (output === undefined) return undefined;
  if (inputs.some((input) => input === undefined)) return leftOut(module, recording, output);
  const known = inputs as [Planes];
  const usual = usualOutput(module, known);
  const error = usual === undefined ? Infinity : planesError(output, usual);
  if (error <= GOAL) return undefined;
  const rounded = before.findLast(({ explanation }) => explanation.key.startsWith('computed '));
  if (rounded !== undefined && error <= ROUNDED) return { ...rounded.explanation, error };
  const start = recording.inputOf(module.from[0] ?? '');
  return (
    reason(module, known, output, start) ?? otherLayer(module, recording, output) ?? code(error)
  );
}

function usualOutput(module: Plain, inputs: readonly [Planes]): Planes | undefined {
  if (module.type === 'pool') return poolPlanes(inputs[0], module.pool);
  return module.type === 'average' ? averagePlanes(inputs[0]) : concatenatePlanes(inputs);
}

function reason(
  module: Plain,
  inputs: readonly [Planes],
  output: Planes,
  start: Planes | undefined,
): Explanation | undefined {
  if (module.type === 'pool') return explainPool(module, inputs[0], output);
  if (module.type === 'average') return explainAverage(inputs[0], output);
  return explainConcatenation(branchNames(module), inputs, start, output);
}

/** The children of the block that its branches end in. */
function branchNames({ name, from }: Plain): string[] {
  return from.map((path) => {
    const inside = path.startsWith(`${name}.`) ? path.slice(name.length + 1) : path;
    return inside.split('.')[0] as string;
  });
}

/** A block whose branches never ran, and which gives what went into it: an identity in its place. */
function leftOut(
  { name, from }: Plain,
  recording: LayerCases['recording'],
  output: Planes,
): Explanation | undefined {
  const input = recording.inputOf(from[0] ?? '');
  const error = input === undefined ? Infinity : planesError(output, input);
  if (error > GOAL) return undefined;
  return { ...readsStory(name), summary: leftOutWords, error };
}

/** A pool that reads from another layer than it should. */
function otherLayer(
  module: Plain,
  recording: LayerCases['recording'],
  output: Planes,
): Explanation | undefined {
  if (module.type === 'concatenation') return undefined;
  for (const name of recording.modules.keys()) {
    const input = name === module.name ? undefined : recording.recorded(name);
    if (input === undefined || input.channels !== output.channels) continue;
    const found = usualOutput(module, [input]);
    const error = found === undefined ? Infinity : planesError(output, found);
    if (error <= GOAL) return { ...readsStory(name), error };
  }
  return undefined;
}

/** A layer without weights that does something unheard of. */
function code(error: number): Explanation {
  return {
    key: 'other code',
    id: 'layer',
    summary: (where) =>
      `${where} does something else in PyTorch's network than in ${NAME}: what goes into it is right, what comes out is not`,
    cure: "Compare PyTorch's code with torchvision's.",
    error,
  };
}
