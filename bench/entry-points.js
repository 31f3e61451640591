// Bundles each entry point of the package for browsers, whole and minified, without TensorFlow.js, which the
// app provides, and prints the gzipped bytes: what is loaded at once, and the total including what is loaded
// when it is first needed. An app that imports a single name gets less.
//
//   npm run bench:entry-points

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';

const root = fileURLToPath(new URL('..', import.meta.url));
const { name, exports: entryPoints } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** @returns the minified chunks by name; the entry is `entry.js` */
async function bundle(file) {
  const build = await rolldown({
    input: { entry: join(root, file) },
    platform: 'browser',
    logLevel: 'silent',
    external: /^@tensorflow\//,
    preserveEntrySignatures: 'strict',
  });
  const { output } = await build.generate({ minify: true, entryFileNames: '[name].js' });
  await build.close();
  return new Map(output.map((chunk) => [chunk.fileName, chunk]));
}

/** The names of a chunk and of all that it imports at once. */
function importedBy(start, chunks, found = new Set()) {
  if (!chunks.has(start) || found.has(start)) return found;
  found.add(start);
  for (const each of chunks.get(start).imports) importedBy(each, chunks, found);
  return found;
}

function kilobytes(names, chunks) {
  const sizes = [...names].map((each) => gzipSync(chunks.get(each).code).length);
  return (sizes.reduce((sum, size) => sum + size, 0) / 1e3).toFixed(1).padStart(6);
}

for (const [path, { default: file }] of Object.entries(entryPoints)) {
  if (file === undefined) continue;
  const chunks = await bundle(file);
  const atOnce = kilobytes(importedBy('entry.js', chunks), chunks);
  const all = kilobytes(chunks.keys(), chunks);
  console.log(`${join(name, path).padEnd(26)} ${atOnce} kB at once, ${all} kB with all`);
}
