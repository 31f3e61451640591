// Verifies the bundled network on backends whose packages lie in another folder, and prints the
// results, and what was not put back, as JSON: `tensorflow-child.mjs FOLDER BACKEND…`. Errors become
// their messages.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findBackendFactory } from '@tensorflow/tfjs-core';
import { convertCheckpoint, readGolden, verifyModel } from '../../dist/src/index.js';

const [folder, ...backends] = process.argv.slice(2);
const read = (name) => readFileSync(new URL(`../../golden/${name}`, import.meta.url));
const { resolve } = createRequire(join(folder, 'package.json'));
const importPackage = (name) => import(pathToFileURL(resolve(name)).href);

const util = process.getBuiltinModule('node:util');
const LEGACY = ['isNullOrUndefined', 'isArray'];
const before = LEGACY.map((name) => Object.getOwnPropertyDescriptor(util, name)?.value);

const golden = await readGolden(read('googlenet.golden.pth.gz'));
const { files } = await convertCheckpoint(read('googlenet.pth.gz'), { transformInput: false });
const results = [];
for (const backend of backends) {
  try {
    const verification = await verifyModel(files, golden, { backends: [backend], importPackage });
    results.push(verification.results[0]);
  } catch (error) {
    results.push({ error: error.message });
  }
}
const leftBehind = LEGACY.filter(
  (name, at) => Object.getOwnPropertyDescriptor(util, name)?.value !== before[at],
);
if (findBackendFactory('tensorflow') !== null) leftBehind.push('tensorflow');
console.log(JSON.stringify({ results, leftBehind }));
