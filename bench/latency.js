// Times the bundled network on one image and on 32, from pixels in memory to logits in memory: converted, as
// a layers model, as a graph model and without folded BatchNorm, next to ONNX Runtime and PyTorch with the
// same weights. Each runs in its own process and reports that process's peak memory; they take turns, so that
// all run under the same conditions; and none is timed before its logits agree with PyTorch's golden ones.
//
//   npm ci --prefix bench     # ONNX Runtime, 300 MB
//   npm run bench:latency [-- BACKEND [ROUNDS]]
//
// With a backend that uses a GPU, PyTorch also runs on the GPU, if it finds one.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { measureErrors } from '../dist/src/verify/compare.js';
import { canImport, machine, median, PYTHON } from './common.js';
import { startContender } from './contender.js';
import { CHECKPOINT, exportONNX, PYTORCH, prepareFiles, prepareImages } from './latency/prepare.js';

const [backend = 'wasm', rounds = '30'] = process.argv.slice(2);
/** Rounds before the clock counts: compilation, caches, arenas. */
const BATCHES = [
  { images: 1, warmUp: 3, rounds: Number(rounds) },
  { images: 32, warmUp: 1, rounds: Math.ceil(Number(rounds) / 6) },
];
/** Float32 sums in another order stray by 3e-5 on this network; a wrong network by far more. */
const TOLERANCE = 1e-4;
const THREADS = [...new Set([1, availableParallelism()])];
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

function startConverted(models, images) {
  const names = { layers: 'layers', graph: 'graph', unfused: 'BatchNorm not folded' };
  return Object.entries(models).map(([kind, directory]) => {
    const args = [here('latency/tfjs.js'), backend, directory, images];
    return startContender(`pth2tfjs, ${backend}, ${names[kind]}`, process.execPath, args);
  });
}

function startONNXRuntime(model, images) {
  const packages = ['web', 'node'].filter((kind) => {
    const found = existsSync(here(`node_modules/onnxruntime-${kind}`));
    if (!found) console.error(`onnxruntime-${kind} is not installed: npm ci --prefix bench`);
    return found;
  });
  return packages.flatMap((kind) =>
    THREADS.map((threads) => {
      const args = [here('latency/onnxruntime.js'), kind, threads, model, images];
      return startContender(`onnxruntime-${kind}, ${inThreads(threads)}`, process.execPath, args);
    }),
  );
}

function startPyTorch(hardware, images) {
  return THREADS.map((threads) => {
    const args = [PYTORCH, 'serve', hardware, threads, CHECKPOINT, images];
    return startContender(`PyTorch, ${inThreads(threads)}`, PYTHON, args);
  });
}

function inThreads(count) {
  return `${count} thread${count === 1 ? '' : 's'}`;
}

async function startAll(folder) {
  const { nhwc, nchw, golden } = await prepareImages(folder);
  const models = await prepareFiles(folder);
  const converted = await Promise.all(startConverted(models, nhwc));
  const { device, hardware } = converted[0];
  console.log(`${device}; ${machine()}; rounds: ${BATCHES.map(({ rounds }) => rounds)}`);
  if (!canImport('torchvision')) {
    console.error(`no torchvision for ${PYTHON}: without PyTorch and ONNX Runtime`);
    return { contenders: converted, golden };
  }
  const peers = [
    ...startONNXRuntime(exportONNX(PYTHON, folder), nchw),
    ...startPyTorch(hardware, nchw),
  ];
  return { contenders: [...converted, ...(await Promise.all(peers))], golden };
}

/** @throws Error when a contender's logits are not those of this network */
async function check(contender, images, { logits: expected, numClasses }) {
  const { logits } = await contender.ask({ images, logits: true });
  for (let image = 0; image < images; image++) {
    const [from, known] = [image * numClasses, (image * numClasses) % expected.length];
    const row = Float32Array.from(logits.slice(from, from + numClasses));
    const { relativeError } = measureErrors(expected.subarray(known, known + numClasses), row);
    if (relativeError <= TOLERANCE) continue;
    throw new Error(`${contender.name}: image ${image} differs by ${relativeError} from PyTorch's`);
  }
}

/** The times of each round and the peak memory after the last, by contender. */
async function race(contenders, { images, warmUp, rounds }) {
  const results = contenders.map(() => ({ times: [], processor: [], peak: 0 }));
  for (let round = -warmUp; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      const { ms, cpu, peak } = await contender.ask({ images, logits: false });
      const result = results[i];
      result.peak = peak;
      if (round < 0) continue;
      result.times.push(ms);
      result.processor.push(cpu);
    }
  }
  return results;
}

/**
 * Time, processor time, which tells more where other programs disturb, what share of the time the first
 * contender takes, and peak memory.
 */
function cells({ times, processor, peak }, first) {
  const ratio = median(first.times.map((ms, i) => ms / times[i])).toFixed(2);
  const [time, cpu] = [times, processor].map((values) => `${median(values).toFixed(0)} ms`);
  return [time, cpu, ratio, `${(peak / 1e6).toFixed(0)} MB`];
}

const folder = mkdtempSync(join(tmpdir(), 'pth2tfjs-bench-'));
try {
  const { contenders, golden } = await startAll(folder);
  const results = [];
  for (const batch of BATCHES) {
    for (const contender of contenders) await check(contender, batch.images, golden);
    results.push(await race(contenders, batch));
  }
  const heads = BATCHES.map(
    ({ images }) => `batch ${images} | processor | ours takes | peak memory`,
  );
  console.log(`| | ${heads.join(' | ')} |\n|---|${'---|'.repeat(4 * BATCHES.length)}`);
  for (const [i, { name, version }] of contenders.entries()) {
    const row = results.flatMap((batch) => cells(batch[i], batch[0]));
    console.log(`| ${[version ? `${name} (${version})` : name, ...row].join(' | ')} |`);
  }
  for (const contender of contenders) contender.stop();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
