// Bundles an app that classifies a photo, minified: with pth2tfjs, with @tensorflow-models/mobilenet and
// with transformers.js, and prints the bytes of JavaScript and of WebAssembly, plain and gzipped. If
// Chromium is installed, the bundle of pth2tfjs also runs in it: its classes must be torchvision's, and
// the server counts what the page fetches.
//
//   npm ci --prefix bench     # the other two, 600 MB with their dependencies
//   npm run bench:bundle

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { convertCheckpoint } from '../dist/src/index.js';
import { browse, hasChromium } from './bundle/browse.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path) => readFileSync(join(root, path));
const TFJS_WASM = 'node_modules/@tensorflow/tfjs-backend-wasm/wasm-out';
/** Where a browser has SIMD, but no isolation for threads. */
const TFJS_SIMD = `${TFJS_WASM}/tfjs-backend-wasm-simd.wasm`;
/** What transformers.js loads from a CDN, in all but old Safaris; the module that runs it too. */
const ORT = 'bench/node_modules/@huggingface/transformers/node_modules/onnxruntime-web/dist';
const ORT_WASM = `${ORT}/ort-wasm-simd-threaded.asyncify`;
const PHOTO = 'photo.png';

/** @returns the minified chunks by name; the entry is `app.js` */
async function bundle(app) {
  const build = await rolldown({
    input: { app: join(root, `bench/bundle/${app}.js`) },
    platform: 'browser',
    logLevel: 'silent',
    preserveEntrySignatures: 'strict',
  });
  const { output } = await build.generate({ minify: true, entryFileNames: '[name].js' });
  await build.close();
  return new Map(output.map((chunk) => [chunk.fileName, chunk.code]));
}

/** The names that a page fetches when it classifies the golden photo with a model of this format. */
async function fetchedWith(chunks, format) {
  const options = { transformInput: false, format };
  const { files } = await convertCheckpoint(read('golden/googlenet.pth.gz'), options);
  const served = new Map([
    ...chunks,
    ...files.map(({ name, bytes }) => [name, bytes]),
    ...readdirSync(join(root, TFJS_WASM)).map((name) => [name, read(`${TFJS_WASM}/${name}`)]),
    [PHOTO, read(`golden/photos/${PHOTO}`)],
  ]);
  const { result, fetched } = await browse(served);
  const { photos } = JSON.parse(read('golden/photos/photos.json'));
  const expected = photos.find(({ file }) => file === PHOTO).top5.map(({ index }) => index);
  if (String(result?.map?.(({ index }) => index)) !== String(expected)) {
    throw new Error(`the bundle gives ${JSON.stringify(result)}, torchvision ${expected}`);
  }
  return [...fetched];
}

function row(name, scripts, modules) {
  const cells = [scripts, modules].flatMap((files) => [
    sum(files, (bytes) => bytes.length),
    sum(files, (bytes) => gzipSync(bytes, { level: 9 }).length),
  ]);
  console.log(`| ${[name, ...cells].join(' | ')} |`);
}

function sum(files, size) {
  return `${Math.round(files.reduce((total, file) => total + size(file), 0) / 1000)} kB`;
}

async function ours() {
  const chunks = await bundle('pth2tfjs');
  row('pth2tfjs, all chunks', [...chunks.values()], [read(TFJS_SIMD)]);
  if (!hasChromium) return console.error('no Chromium: what a page fetches is not measured');
  for (const format of ['layers', 'graph']) {
    const fetched = await fetchedWith(chunks, format);
    const wasm = fetched.filter((name) => name.endsWith('.wasm'));
    row(
      `pth2tfjs, fetched with a ${format} model`,
      fetched.filter((name) => chunks.has(name)).map((name) => chunks.get(name)),
      wasm.map((name) => read(`${TFJS_WASM}/${name}`)),
    );
  }
}

async function others() {
  if (!existsSync(join(root, ORT))) {
    return console.error('the others are not installed: npm ci --prefix bench');
  }
  const mobilenet = await bundle('mobilenet');
  row('@tensorflow-models/mobilenet', [...mobilenet.values()], [read(TFJS_SIMD)]);
  const transformers = await bundle('transformers');
  const scripts = [...transformers.values(), read(`${ORT_WASM}.mjs`)];
  row('@huggingface/transformers', scripts, [read(`${ORT_WASM}.wasm`)]);
}

console.log('| | JavaScript | gzipped | WebAssembly | gzipped |\n|---|---|---|---|---|');
await ours();
await others();
