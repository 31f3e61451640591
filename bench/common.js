import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';

/** Where the tests, too, look for PyTorch first. */
export const PYTHON = process.env.PTH2TFJS_PYTHON ?? '/usr/bin/python3';

export function canImport(module) {
  return spawnSync(PYTHON, ['-c', `import ${module}`]).status === 0;
}

export function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** What the numbers were measured on. */
export function machine() {
  return `${cpus().length} cores of ${cpus()[0]?.model}, Node ${process.version}`;
}
