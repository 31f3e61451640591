/** A fault in what was written, not in PyTorch. */
import type { Pair, Sound } from '../types.js';
import { type Further, further, type Options, PYTORCH_BLAMED } from './types.js';

export const artifact = (
  name: string,
  truth: readonly RegExp[],
  plant: (sound: Sound) => Pair | Promise<Pair>,
  options: Options = {},
): Further =>
  further(name, [], truth, plant, { innocent: PYTORCH_BLAMED, half: WEIGHTS_DIFFER, ...options });

/** True of all that is done to weights. */
export const WEIGHTS_DIFFER =
  /(weight|tensor|kernel|layer)s?\b.*(checkpoint|differ|corrupt|damaged|changed)/i;
