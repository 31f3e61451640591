import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ImportPackage } from '../src/tfjs/backends.js';

/**
 * Imports an optional package from where this one lies, else from the working directory's project:
 * run through npx, this package lies in a cache, while the user installs beside the own package.json.
 */
export const importPackage: ImportPackage = async (name) => {
  try {
    return await import(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    const local = createRequire(join(process.cwd(), 'package.json'));
    return import(pathToFileURL(local.resolve(name)).href);
  }
};
