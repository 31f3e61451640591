import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ImportPackage, PackageVersion } from '../src/runtimes/backend.js';

/** The working directory's project, which is where users install optional packages. */
const inProject = () => createRequire(join(process.cwd(), 'package.json'));

/**
 * Imports an optional package from where this one lies, else from the working directory's project:
 * run through npx, this package lies in a cache, while the user installs beside the own package.json.
 */
export const importPackage: ImportPackage = async (name) => {
  try {
    return await import(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    return import(pathToFileURL(inProject().resolve(name)).href);
  }
};

/** The version of the package that `importPackage` finds, from its package.json. */
export const packageVersion: PackageVersion = async (name) => {
  for (const require of [createRequire(import.meta.url), inProject()]) {
    for (const folder of require.resolve.paths(name) ?? []) {
      const manifest = await readFile(join(folder, name, 'package.json'), 'utf8').catch(() => null);
      if (manifest !== null) return (JSON.parse(manifest) as { version: string }).version;
    }
  }
  return null;
};
