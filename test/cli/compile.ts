import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Compiles the package into a new folder, for child processes that Node runs without vitest.
 * The caller removes the folder.
 */
export function compilePackage(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pth2tfjs-compiled-'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  const args = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', folder];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  // Type errors have a check of their own; here it only matters that there is code to run.
  if (!existsSync(join(folder, 'cli'))) throw new Error(`tsc wrote nothing: ${stdout}${stderr}`);
  return folder;
}
