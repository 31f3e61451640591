import { spawnSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';

/** The tests also look here first for PyTorch. */
export const PYTHON = process.env.PTH2TFJS_PYTHON ?? '/usr/bin/python3';

export function canImport(module) {
  return spawnSync(PYTHON, ['-c', `import ${module}`]).status === 0;
}

export function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** What the numbers were measured on; a load near or above the number of cores means that they are distorted. */
export function machine() {
  const load = loadavg()[0].toFixed(1);
  return `${cpus().length} cores of ${cpus()[0]?.model}, load ${load}, Node ${process.version}`;
}

/**
 * Measures contenders in turns, so that all run under the same conditions: once uncounted, then `rounds` times.
 * @param contenders by name
 * @returns by name, what `measure` gave in each round
 */
export function inTurns(contenders, rounds, measure) {
  const results = new Map(Object.keys(contenders).map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const [name, contender] of Object.entries(contenders)) {
      const result = measure(contender);
      if (round >= 0) results.get(name).push(result);
    }
  }
  return results;
}
