// Verifies the bundled network on backends whose packages lie in another folder, and prints the
// results as JSON: `tensorflow-child.mjs FOLDER BACKEND…`. Errors become their messages.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { convertCheckpoint, readGolden, verifyModel } from '../../dist/src/index.js';

const [folder, ...backends] = process.argv.slice(2);
const read = (name) => readFileSync(new URL(`../../golden/${name}`, import.meta.url));
const { resolve } = createRequire(join(folder, 'package.json'));
const importPackage = (name) => import(pathToFileURL(resolve(name)).href);

const golden = await readGolden(read('googlenet.golden.pth.gz'));
const { files } = await convertCheckpoint(read('googlenet.pth.gz'), { transformInput: false });
const report = [];
for (const backend of backends) {
  try {
    const { results } = await verifyModel(files, golden, { backends: [backend], importPackage });
    report.push(results[0]);
  } catch (error) {
    report.push({ error: error.message });
  }
}
console.log(JSON.stringify(report));
