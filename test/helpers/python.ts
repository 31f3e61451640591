import { execFile } from 'node:child_process';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { PYTHON_ENV, type PythonRequest, type PythonRun } from './python-host.js';

export type { PythonRun } from './python-host.js';

/**
 * A Python with torchvision: the one that `PTH2TFJS_PYTHON` names, else Debian's, else the first on
 * PATH. One that is asked for by name must have it; without any, a warning says what is skipped.
 * @param purpose what cannot be tested without it
 */
export async function findPython(purpose: string): Promise<string | undefined> {
  const { PTH2TFJS_PYTHON: named } = process.env;
  for (const python of named ? [named] : ['/usr/bin/python3', 'python3']) {
    if ((await packagesOf(python)).includes('torchvision')) return python;
  }
  if (named) throw new Error(`${named} (PTH2TFJS_PYTHON) has no torchvision`);
  console.warn(
    `SKIPPED: ${purpose}, for want of torchvision; on Debian: apt-get install python3-torch python3-torchvision`,
  );
  return undefined;
}

/**
 * A Python with the newest PyTorch, which `PTH2TFJS_PYTHON_NEWEST` names; without, a warning says what
 * is skipped. It need not have torchvision.
 */
export async function findNewestPython(purpose: string): Promise<string | undefined> {
  const { PTH2TFJS_PYTHON_NEWEST: named } = process.env;
  if (!named) {
    const how = 'PTH2TFJS_PYTHON_NEWEST names no Python';
    console.warn(`SKIPPED: ${purpose}, for ${how}`);
    return undefined;
  }
  if ((await packagesOf(named)).includes('torch')) return named;
  throw new Error(`${named} (PTH2TFJS_PYTHON_NEWEST) has no torch`);
}

/**
 * The same Python, if it also has the reference library of safetensors; without it, a warning says what
 * is skipped.
 * @param purpose what cannot be tested without it
 */
export async function findSafetensors(purpose: string): Promise<string | undefined> {
  const python = await findPython(purpose);
  if (python === undefined) return undefined;
  if ((await packagesOf(python)).includes('safetensors.torch')) return python;
  console.warn(
    `SKIPPED: ${purpose}, for want of the package safetensors; pip install --target DIR safetensors, and set PYTHONPATH=DIR`,
  );
  return undefined;
}

/**
 * The Python with the newest PyTorch, if it also has onnx and onnxruntime; without them, a warning says what is
 * skipped.
 * @param purpose what cannot be tested without them
 */
export async function findOnnx(purpose: string): Promise<string | undefined> {
  const python = await findNewestPython(purpose);
  if (python === undefined) return undefined;
  const { status } = await startPython(python, '-c', 'import onnx, onnxruntime');
  if (status === 0) return python;
  console.warn(
    `SKIPPED: ${purpose}, for want of onnx and onnxruntime; ${python} -m pip install onnx onnxruntime`,
  );
  return undefined;
}

/** The path of a script of the package, such as `golden/capture.py`. */
export function scriptPath(script: string): string {
  return fileURLToPath(new URL(`../../${script}`, import.meta.url));
}

/** Runs Python as one types it, a new process; it must leave no compiled files beside a script. */
export function spawnPython(python: string, ...args: readonly string[]): Promise<PythonRun> {
  return new Promise((resolve) => {
    const options = { maxBuffer: 2 ** 26, env: PYTHON_ENV };
    const child = execFile(python, ['-B', ...args], options, (_, stdout, stderr) => {
      resolve({ status: child.exitCode, stdout, stderr });
    });
  });
}

/** The same, a process forked from one that has imported PyTorch already. */
export async function startPython(python: string, ...args: readonly string[]): Promise<PythonRun> {
  return (await ask({ python, args })) as PythonRun;
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

async function packagesOf(python: string): Promise<readonly string[]> {
  return (await ask({ python })) as readonly string[];
}

/** Unlike `fetch`, this waits for as long as it takes. */
function ask(question: PythonRequest): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const port = inject('pythonHost');
    const asked = request(
      { host: '127.0.0.1', port, method: 'POST', agent: false },
      async (response) => {
        const answer = await text(response);
        if (response.statusCode === 200) resolve(JSON.parse(answer));
        else reject(new Error(answer));
      },
    );
    asked.on('error', reject).end(JSON.stringify(question));
  });
}
