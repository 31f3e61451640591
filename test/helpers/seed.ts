import { randomInt } from 'node:crypto';

const { PTH2TFJS_SEED } = process.env;

/**
 * Where a file of tests starts to draw at random: from `PTH2TFJS_SEED`, else in every run from elsewhere. It is
 * printed, so that a run can be repeated. What a test then expects must hold of all that can be drawn, or fail
 * by chance less than once in a million runs, for a reason that stands beside it.
 * @param what draws
 * @param tried where the expectation was tried out, if it does not hold of everything: one of these is taken
 */
export function drawSeed(what: string, tried?: readonly number[]): number {
  const drawn = tried === undefined ? randomInt(2 ** 31) : tried[randomInt(tried.length)];
  const seed = Number(PTH2TFJS_SEED ?? drawn);
  console.info(`${what} draws from PTH2TFJS_SEED=${seed}`);
  return seed;
}
