// Bundles the command line into what is shipped, once tsc has compiled everything: a file for each thing that it
// may do, instead of some three hundred modules, which take longer to find and compile than a checkpoint to
// convert. The library, dist/src, stays as tsc wrote it.
//
//   node build.js

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = fileURLToPath(new URL('.', import.meta.url));
const folder = join(root, 'dist/cli');

/** Each holds these modules and all that they need, but what an earlier one has. */
const CHUNKS = {
  version: /\/src\/base\/version\.ts$/,
  ahead: /\/cli\/checkpoint\.ts$/,
  run: /\/cli\/(run|commands)\.ts$/,
  options: /\/cli\/(commands\/convert|commands\/convert-options|labels)\.ts$/,
  backends: /\/(cli\/commands\/verify-options|src\/runtimes\/tfjs\/backends)\.ts$/,
  convert: /\/(cli\/convert-model|src\/convert)\.ts$/,
  verify: /\/src\/verify\/verify-model\.ts$/,
};

async function bundle() {
  const input = await rolldown({
    input: join(root, 'cli/main.ts'),
    cwd: root,
    platform: 'node',
    external: [/^node:/, /^@tensorflow\//, 'sharp', 'webgpu'],
    treeshake: false,
    resolve: { alias: { 'string-width': join(root, 'cli/string-width.ts') } },
    // What one command loads late, another may load at once.
    checks: { ineffectiveDynamicImport: false },
  });
  const groups = Object.entries(CHUNKS).map(([name, test], i) => ({ name, test, priority: 9 - i }));
  const { output } = await input.write({
    dir: folder,
    format: 'esm',
    sourcemap: true,
    // Ours are in the package.
    sourcemapExcludeSources: true,
    entryFileNames: 'main.js',
    chunkFileNames: 'chunks/[name].js',
    codeSplitting: { groups },
    // Names stay, for whoever reads a stack.
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  });
  await input.close();
  return output.flatMap(({ moduleIds = [] }) => moduleIds);
}

/** The licences of the packages that went into the bundle, which ask to be kept with it. */
function licences(modules) {
  const found = modules.map((id) => /^.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(id));
  const packages = new Map(found.filter(Boolean).map(([place, name]) => [name, place]));
  return [...packages].sort().map(([name, place]) => {
    const files = readdirSync(place).filter((file) => /^licen[cs]e/i.test(file));
    const text = files.map((file) => readFileSync(join(place, file), 'utf8').trim()).join('\n\n');
    const { license } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8'));
    return `${name}: ${license}\n\n${text}`;
  });
}

rmSync(join(folder, 'chunks'), { recursive: true, force: true });
const texts = licences(await bundle());
writeFileSync(join(folder, 'chunks/LICENSES.txt'), `${texts.join('\n\n---\n\n')}\n`);
