/**
 * The measured tolerance: false alarms on correct conversions, and the smallest noise in a tensor that is caught.
 * `npm run bench:tolerance -- 25` draws that many seeds of eight networks with torchvision, which takes half an hour.
 * Backends that are not installed are left out.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { enableProdMode } from '@tensorflow/tfjs-core';
import { denseTensor, saveStateDict, toFloat32 } from '../dist/src/checkpoint/index.js';
import { convertCheckpoint, readGolden, readNetwork, verifyModel } from '../dist/src/index.js';

const SMALL = 'smallest half double bfloat16 averaged two-models fine-tuned before-0.4.1'.split(
  ' ',
);
const LARGE = ['as-published', 'compiled'];
const ROOT = new URL('..', import.meta.url).pathname;
const { PTH2TFJS_PYTHON: python = '/usr/bin/python3', PTH2TFJS_TFJS_NODE: tfjsNode } = process.env;
const onnxruntime = join(ROOT, 'test/onnxruntime');

enableProdMode();
const seeds = Number(process.argv[2] ?? 3);
const folder = mkdtempSync(join(tmpdir(), 'pth2tfjs-bench-'));

/** Imports an optional package from where the tests have it. */
const importPackage = async (name) => {
  for (const place of [onnxruntime, tfjsNode].filter((each) => each && existsSync(each))) {
    try {
      return createRequire(join(place, 'package.json'))(name);
    } catch {}
  }
  return import(name);
};

function draw(name, seed) {
  const script = join(ROOT, 'test/helpers/oracle.py');
  execFileSync(python, [script, name, '--seed', String(seed), '--out', folder], {
    stdio: 'ignore',
  });
  const drawn = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));
  const read = (file) => readFileSync(join(folder, file));
  const key = drawn.candidates.length > 0 ? drawn.path : undefined;
  const { transformInput, imageSize } = drawn;
  const options = { key, transformInput, imageSize };
  return { checkpoint: read(drawn.checkpoint), golden: read(drawn.golden), options };
}

/** How many images were compared, how many failed, and the error as a share of the bound. */
const totals = new Map();

async function judge(backend, files, golden, rtol) {
  const tolerance = rtol === undefined ? {} : { rtol };
  const options = { backends: [backend], importPackage, tolerance, diagnose: false };
  const { results, passed } = await verifyModel(files, golden, options);
  const [{ comparison, basis }] = results;
  const total = totals.get(backend) ?? { models: 0, alarms: 0, worst: 0, bounds: [] };
  total.models++;
  if (!passed) total.alarms++;
  if (basis.from === 'measured') {
    total.bounds.push(comparison.tolerance.rtol);
    total.worst = Math.max(total.worst, comparison.required.rtol / comparison.tolerance.rtol);
  }
  totals.set(backend, total);
}

async function alarms(names, count, backends, rtol) {
  for (let seed = 1; seed <= count; seed++) {
    for (const name of names) {
      const { checkpoint, golden: bytes, options } = draw(name, seed);
      const golden = await readGolden(bytes);
      const layers = await convertCheckpoint(checkpoint, options);
      const onnx = await convertCheckpoint(checkpoint, { ...options, format: 'onnx' });
      for (const backend of backends) {
        const { files } = backend.startsWith('onnx') ? onnx : layers;
        await judge(backend, files, golden, rtol);
      }
    }
  }
}

/** The share of noise in a tensor whose effect on the logits is as large as a bound. */
async function smallestNoise(checkpoint, golden, options, key, bound) {
  const { stateDict } = await readNetwork(checkpoint, options);
  const share = 1e-3;
  const noisy = new Map(
    [...stateDict].map(([name, tensor]) => {
      if (name !== key) return [name, tensor];
      const values = toFloat32(tensor).map((value, i) => value * (1 + share * normal(i)));
      return [name, denseTensor('float32', tensor.shape, values)];
    }),
  );
  const { key: _, ...rest } = options;
  const { files } = await convertCheckpoint(saveStateDict(noisy), rest);
  const loose = { tolerance: { rtol: 1 }, allowOtherCheckpoint: true };
  const { results } = await verifyModel(files, golden, loose);
  return (share * bound) / results[0].comparison.required.rtol;
}

/** Fixed numbers that are distributed nearly as a normal distribution is. */
function normal(i) {
  const uniform = (k) => (Math.sin(12.9898 * (i + 1) + 78.233 * k) * 43758.5453) % 1;
  return (uniform(1) + uniform(2) + uniform(3) + uniform(4)) * Math.sqrt(3 / 4);
}

async function caught(label, checkpoint, bytes, options) {
  const golden = { ...(await readGolden(bytes)), activations: new Map() };
  const { files } = await convertCheckpoint(checkpoint, options);
  const { results } = await verifyModel(files, golden, {});
  const measured = results[0].comparison.tolerance.rtol;
  for (const key of ['conv1.conv.weight', 'inception4b.branch2.1.conv.weight', 'fc.weight']) {
    const noises = [];
    for (const bound of [5e-5, measured]) {
      noises.push(await smallestNoise(checkpoint, golden, options, key, bound));
    }
    const [before, after] = noises.map((noise) => noise.toExponential(1));
    console.log(`${label.padEnd(26)} ${key.padEnd(36)} 5.0e-5: ${before}   ${measured}: ${after}`);
  }
}

try {
  const golden = (name) => readFileSync(join(ROOT, 'golden', name));
  const bundled = golden('googlenet.pth.gz');
  const layered = golden('googlenet.64.layers.golden.pth.gz');
  const plain = { transformInput: false, imageSize: 64 };
  console.log(
    'smallest noise in a tensor that is caught, by the default bound and by the measured one',
  );
  await caught('random (bundled)', bundled, layered, plain);
  const sound = draw('bfloat16', 1);
  await caught('random, well conditioned', sound.checkpoint, sound.golden, sound.options);
  const wanted = ['wasm', ...(existsSync(join(onnxruntime, 'node_modules')) ? ['onnx'] : [])];
  await alarms(SMALL, seeds, [...wanted, ...(tfjsNode ? ['tensorflow'] : [])]);
  await alarms(SMALL.slice(0, 4), Math.ceil(seeds / 10), ['cpu']);
  await alarms(LARGE, Math.ceil(seeds / 5), wanted, 'measured');
  console.log(
    '\ncorrect conversions, false alarms, and the largest share of its bound that an error takes',
  );
  for (const [backend, { models, alarms: count, worst, bounds }] of totals) {
    const [least, most] = [Math.min(...bounds), Math.max(...bounds)].map((x) => x.toExponential(1));
    const rows = [`${models} models`, `${count} false alarms`, `at most ${worst.toFixed(2)}`];
    console.log(`${backend.padEnd(12)} ${rows.join(', ')}; bounds from ${least} to ${most}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
