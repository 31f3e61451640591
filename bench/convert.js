// Times `pth2tfjs convert` of the full-size checkpoint as a whole process, in one run with its peer,
// `torch.load` of the same file, and with the floor, a process that only reads the file and writes as
// many bytes. The commands take turns, so that all run under the same conditions. Then measures the memory
// that the same checkpoint takes in half precision, where the model is as large as its file.
//
//   npm run bench [-- ROUNDS]

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import {
  denseTensor,
  readCheckpoint,
  saveStateDict,
  toFloat32,
} from '../dist/src/checkpoint/index.js';
import { fromFloat32 } from '../dist/src/checkpoint/tensor/from-float32.js';
import { canImport, inTurns, machine, median, PYTHON } from './common.js';

const rounds = Number(process.argv[2] ?? 9);
const root = fileURLToPath(new URL('..', import.meta.url));
const tmp = mkdtempSync(join(tmpdir(), 'pth2tfjs-bench-'));
const checkpoint = join(tmp, 'googlenet.pth');
const half = join(tmp, 'half.pth');
const out = join(tmp, 'out');
const peakFile = join(tmp, 'peak');

function node(...args) {
  const preload = ['--import', join(root, 'bench/report-peak.js')];
  return { command: process.execPath, args: [...preload, ...args] };
}

/** Runs a command to its end; returns seconds of wall clock and the peak memory it left behind. */
function measure({ command, args }) {
  const started = process.hrtime.bigint();
  const { status, stderr } = spawnSync(command, args, {
    env: { ...process.env, PEAK_FILE: peakFile },
  });
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stderr}`);
  return { seconds, peak: Number(readFileSync(peakFile, 'utf8')) };
}

function folderBytes(folder) {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

function convert(file) {
  const args = ['convert', file, out, '--force', '--quiet'];
  return node(join(root, 'dist/cli/main.js'), ...args);
}

function contenders(size) {
  const floor = `const fs = require('fs'); const b = fs.readFileSync('${checkpoint}'); fs.writeFileSync('${join(tmp, 'floor')}', b.subarray(0, ${size}))`;
  const report = `import resource; open('${peakFile}', 'w').write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))`;
  const load = `import torch; torch.load('${checkpoint}'); ${report}`;
  return {
    'pth2tfjs convert': convert(checkpoint),
    ...(canImport('torch') ? { 'torch.load': { command: PYTHON, args: ['-c', load] } } : {}),
    'floor (read, write)': node('-e', floor),
  };
}

/** The checkpoint with its float32 tensors in half precision. */
async function writeHalf() {
  const { value } = await readCheckpoint(readFileSync(checkpoint));
  const tensors = [...value].map(([key, tensor]) => {
    const { dtype, shape } = tensor;
    if (dtype !== 'float32') return [key, tensor];
    return [key, denseTensor('float16', shape, fromFloat32(toFloat32(tensor), 'float16'))];
  });
  writeFileSync(half, await saveStateDict(new Map(tensors)));
}

function inMegabytes(peak, size) {
  return `${(peak / 1e6).toFixed(0).padStart(4)} MB = ${(peak / size).toFixed(1)} x the file`;
}

try {
  writeFileSync(checkpoint, gunzipSync(readFileSync(join(root, 'golden/googlenet.pth.gz'))));
  execFileSync(process.execPath, [
    join(root, 'dist/cli/main.js'),
    'convert',
    checkpoint,
    out,
    '--quiet',
  ]);
  const results = inTurns(contenders(folderBytes(out)), rounds, measure);
  const size = statSync(checkpoint).size;
  const base = results.get('pth2tfjs convert');
  console.log(`${machine()}, ${rounds} rounds, medians`);
  for (const [name, runs] of results) {
    const seconds = median(runs.map((run) => run.seconds));
    const peak = median(runs.map((run) => run.peak));
    const ratio = median(base.map((run, i) => run.seconds / runs[i].seconds));
    console.log(
      `${name.padEnd(20)} ${seconds.toFixed(3)} s   peak ${inMegabytes(peak, size)}   convert takes ${ratio.toFixed(2)} x this`,
    );
  }
  await writeHalf();
  const peaks = Array.from({ length: rounds }, () => measure(convert(half)).peak);
  console.log(`in half precision    peak ${inMegabytes(median(peaks), statSync(half).size)}`);
  if (!results.has('torch.load')) console.log(`torch.load not measured: no PyTorch for ${PYTHON}`);
} finally {
  rmSync(tmp, { recursive: true, force: true });
}
