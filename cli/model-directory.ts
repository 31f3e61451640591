import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Pth2tfjsError } from '../src/errors.js';
import type { NamedBytes } from '../src/tfjs/artifacts.js';
import { weightPaths } from '../src/tfjs/load.js';
import { reason } from './read-errors.js';

const MODEL_JSON = 'model.json';

/**
 * Reads `model.json` and the weight files that it names back from a folder.
 * @throws Pth2tfjsError `model` when a file is missing or model.json makes no sense.
 */
export async function readModelDirectory(directory: string): Promise<NamedBytes[]> {
  const modelJSON = await readNamed(directory, MODEL_JSON);
  const shards = weightPaths(modelJSON.bytes).map((name) => readNamed(directory, name));
  return [modelJSON, ...(await Promise.all(shards))];
}

async function readNamed(directory: string, name: string): Promise<NamedBytes> {
  try {
    return { name, bytes: await readFile(join(directory, name)) };
  } catch (cause) {
    const [text, hint] = await explain(directory, name, cause as NodeJS.ErrnoException);
    throw new Pth2tfjsError('model', text, { hint, cause });
  }
}

async function explain(
  directory: string,
  name: string,
  error: NodeJS.ErrnoException,
): Promise<readonly [text: string, hint: string]> {
  const folder = await stat(directory).catch(() => undefined);
  if (folder === undefined && error.code === 'ENOENT') {
    const hint = 'check the spelling, and the folder that the path is relative to';
    return [`no such folder: ${directory}`, hint];
  }
  const hint = 'pass a folder that pth2tfjs convert wrote';
  if (folder?.isFile()) return [`${directory} is a file, not the folder of a model`, hint];
  if (error.code !== 'ENOENT') {
    return [`${join(directory, name)} cannot be read: ${reason(error)}`, hint];
  }
  return name === MODEL_JSON
    ? [`${directory} holds no ${MODEL_JSON}`, hint]
    : [`${directory} lacks ${name}, which its ${MODEL_JSON} names`, 'convert the checkpoint again'];
}
