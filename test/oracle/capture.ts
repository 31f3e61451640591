/** A copy of golden/capture.py in a folder of its own, with photographs beside it. */
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/read-checkpoint.js';
import { listTensors } from '../../src/checkpoint/state-dict/find-state-dict.js';
import { temporaryFolder } from '../helpers/cli.js';
import { recordsOf, type TensorRecord } from '../helpers/digest.js';
import {
  findPython,
  type PythonRun,
  runPython,
  scriptPath,
  startPython,
} from '../helpers/python.js';

export const python = await findPython('golden/capture.py');
export const CAPTURES = 'test/oracle/captures.py';
export const folder = temporaryFolder();
export const at = (name: string) => join(folder, name);

/** Runs the copy as if one had typed it; the cases of capture.test.ts really do so. */
export function capture(...args: readonly string[]): Promise<PythonRun> {
  return startPython(python as string, at('capture.py'), ...args);
}

const made = new Map<string, Promise<unknown>>();

/** Makes a part of captures.py, unless it has been made. */
export async function make(part: string): Promise<void> {
  const making = made.get(part) ?? runPython(python as string, CAPTURES, folder, part);
  made.set(part, making);
  await making;
}

/** Type, shape and hash of every tensor in a file. */
export async function tensorsOf(name: string): Promise<Record<string, TensorRecord>> {
  return recordsOf(listTensors((await readCheckpoint(readFileSync(at(name)))).value));
}

export async function provenanceOf(name: string): Promise<ReadonlyMap<string, unknown>> {
  const { value } = await readCheckpoint(readFileSync(at(name)));
  return (value as Map<string, unknown>).get('provenance') as Map<string, unknown>;
}

beforeAll(async () => {
  if (python === undefined) return;
  copyFileSync(scriptPath('golden/capture.py'), at('capture.py'));
  await make('photographs');
});
