import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Pth2tfjsError } from '../src/errors.js';
import type { NamedBytes } from '../src/tfjs/artifacts.js';
import { weightPaths } from '../src/tfjs/load.js';

/**
 * Reads `model.json` and the weight files that it names back from a folder.
 * @throws Pth2tfjsError `model` when a file is missing or model.json makes no sense.
 */
export async function readModelDirectory(directory: string): Promise<NamedBytes[]> {
  const modelJSON = await readNamed(directory, 'model.json');
  const shards = weightPaths(modelJSON.bytes).map((name) => readNamed(directory, name));
  return [modelJSON, ...(await Promise.all(shards))];
}

async function readNamed(directory: string, name: string): Promise<NamedBytes> {
  try {
    return { name, bytes: await readFile(join(directory, name)) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Pth2tfjsError('model', `${join(directory, name)} cannot be read (${code})`, {
      hint: 'pass a folder that pth2tfjs convert wrote',
      cause: error,
    });
  }
}
