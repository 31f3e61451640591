import { isPth2tfjsError, Pth2tfjsError } from '../src/errors.js';
import { terminalProgress } from './progress.js';
import { readSource, type Source } from './source.js';

/** Reads a path or URL, with a progress bar on a terminal unless `quiet`. */
export async function readInput(location: string, quiet: boolean): Promise<Source> {
  const options = quiet ? {} : { progress: terminalProgress(process.stderr) };
  return inFile(location, () => readSource(location, options));
}

/** Runs `work` and puts the file's name before the message of what goes wrong in it. */
export async function inFile<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isPth2tfjsError(error) && !error.message.includes(name))
      error.message = `${name}: ${error.message}`;
    throw error;
  }
}

/** Throws the usage error for a call that makes no sense. */
export function usageError(message: string, hint?: string): Pth2tfjsError {
  return new Pth2tfjsError('usage', message, hint === undefined ? {} : { hint });
}
