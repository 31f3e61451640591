import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A program's end and all it printed. */
export interface PythonRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * A Python with torchvision: the one that `PTH2TFJS_PYTHON` names, else Debian's, else the first on
 * PATH. One that is asked for by name must have it; without any, a warning says what is skipped.
 * @param purpose what cannot be tested without it
 */
export function findPython(purpose: string): string | undefined {
  const { PTH2TFJS_PYTHON: named } = process.env;
  const found = (named ? [named] : ['/usr/bin/python3', 'python3']).find(hasTorchvision);
  if (found === undefined && named)
    throw new Error(`${named} (PTH2TFJS_PYTHON) has no torchvision`);
  if (found === undefined) {
    console.warn(
      `SKIPPED: ${purpose}, for want of torchvision; on Debian: apt-get install python3-torch python3-torchvision`,
    );
  }
  return found;
}

/**
 * A Python with the newest PyTorch, which `PTH2TFJS_PYTHON_NEWEST` names; without, a warning says what
 * is skipped. It need not have torchvision.
 */
export function findNewestPython(purpose: string): string | undefined {
  const { PTH2TFJS_PYTHON_NEWEST: named } = process.env;
  if (!named) {
    const how = 'PTH2TFJS_PYTHON_NEWEST names no Python';
    console.warn(`SKIPPED: ${purpose}, for ${how}`);
    return undefined;
  }
  if (spawnSync(named, ['-c', 'import torch']).status === 0) return named;
  throw new Error(`${named} (PTH2TFJS_PYTHON_NEWEST) has no torch`);
}

function hasTorchvision(command: string): boolean {
  return spawnSync(command, ['-c', 'import torch, torchvision']).status === 0;
}

/**
 * The same Python, if it also has the reference library of safetensors; without it, a warning says what
 * is skipped.
 * @param purpose what cannot be tested without it
 */
export function findSafetensors(purpose: string): string | undefined {
  const python = findPython(purpose);
  if (python === undefined) return undefined;
  if (spawnSync(python, ['-c', 'import safetensors.torch']).status === 0) return python;
  console.warn(
    `SKIPPED: ${purpose}, for want of the package safetensors; pip install --target DIR safetensors, and set PYTHONPATH=DIR`,
  );
  return undefined;
}

/** The path of a script of the package, such as `golden/capture.py`. */
export function scriptPath(script: string): string {
  return fileURLToPath(new URL(`../../${script}`, import.meta.url));
}

/** Runs Python, which must leave no compiled files beside a script. */
export function startPython(python: string, ...args: readonly string[]): Promise<PythonRun> {
  return new Promise((resolve) => {
    const options = { maxBuffer: 2 ** 26 };
    const child = execFile(python, ['-B', ...args], options, (_, stdout, stderr) => {
      resolve({ status: child.exitCode, stdout, stderr });
    });
  });
}

/** Runs a script of the package, which must succeed; returns what it printed. */
export async function runPython(
  python: string,
  script: string,
  ...args: readonly string[]
): Promise<string> {
  const run = await startPython(python, scriptPath(script), ...args);
  if (run.status === 0) return run.stdout;
  throw new Error(`${script} ended with ${run.status}: ${run.stderr}`);
}
