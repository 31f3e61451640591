import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import manifest from '../../package.json' with { type: 'json' };

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Whether packages can be installed; a warning says what cannot be tested without. */
export function registryAnswers(purpose: string): boolean {
  const answers = spawnSync('npm', ['ping'], { timeout: 30_000 }).status === 0;
  if (!answers) console.warn(`SKIPPED: ${purpose}, no npm registry answers`);
  return answers;
}

/** Packs what has been built into a folder; returns the name of the file there. */
function pack(folder: string): string {
  const options = ['--json', '--ignore-scripts', '--pack-destination', folder];
  const packed = execFileSync('npm', ['pack', ...options], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ filename }] = JSON.parse(packed);
  return filename;
}

/** Installs the packed package into an empty project, with all that npm brings along. */
export function installPackage(folder: string): void {
  const filename = pack(folder);
  writeFileSync(join(folder, 'package.json'), '{"private": true, "type": "module"}');
  execFileSync('npm', ['install', '--no-audit', '--no-fund', join(folder, filename)], {
    cwd: folder,
    stdio: 'ignore',
  });
}

/** What examples need beside the package and what it brings along. */
const EXAMPLES_OWN = ['mnist'];

/**
 * Makes a user's project of a folder: an example, and the packed package installed, with the packages
 * that it needs, which are those of this repository.
 */
export function installExample(folder: string, example: string): void {
  cpSync(join(ROOT, 'examples', example), folder, { recursive: true });
  const filename = pack(folder);
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, 'pth2tfjs'), { recursive: true });
  const strip = ['--strip-components=1', '-C', join(modules, 'pth2tfjs')];
  execFileSync('tar', ['-xzf', join(folder, filename), ...strip]);
  const { dependencies, optionalDependencies } = manifest;
  const wanted = [...Object.keys({ ...dependencies, ...optionalDependencies }), ...EXAMPLES_OWN];
  // A scope is linked whole: the examples choose among TensorFlow.js's backends.
  for (const name of new Set(wanted.map((each) => each.replace(/\/.*/, '')))) {
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
}
