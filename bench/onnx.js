// Times `pth2tfjs convert` to ONNX as a whole process, alternating with a process in which PyTorch loads the
// same checkpoint and exports it.
//
//   npm run bench:onnx [-- ROUNDS]

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { inTurns, machine, median, PYTHON } from './common.js';

const rounds = Number(process.argv[2] ?? 5);
const root = fileURLToPath(new URL('..', import.meta.url));
const tmp = mkdtempSync(join(tmpdir(), 'pth2tfjs-bench-'));
const checkpoint = join(tmp, 'googlenet.pth');
const model = join(tmp, 'model.onnx');

const OPTIONS = ['--no-transform-input', '--force', '--quiet'];
const CONTENDERS = {
  'pth2tfjs convert': [
    process.execPath,
    [join(root, 'dist/cli/main.js'), 'convert', checkpoint, model, ...OPTIONS],
  ],
  'torch.onnx.export': [
    PYTHON,
    [join(root, 'bench/latency/pytorch.py'), 'export', checkpoint, model],
  ],
};

function measure([command, args]) {
  const started = process.hrtime.bigint();
  const { status, stderr } = spawnSync(command, args);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stderr}`);
  return Number(process.hrtime.bigint() - started) / 1e9;
}

try {
  writeFileSync(checkpoint, gunzipSync(readFileSync(join(root, 'golden/googlenet.pth.gz'))));
  const results = inTurns(CONTENDERS, rounds, measure);
  const [ours, theirs] = results.values();
  console.log(`${machine()}, ${rounds} rounds, medians`);
  for (const [name, runs] of results) {
    console.log(`${name.padEnd(18)} ${median(runs).toFixed(2)} s`);
  }
  const ratio = median(theirs.map((seconds, i) => seconds / ours[i]));
  console.log(`the export takes ${ratio.toFixed(1)} x as long as ours`);
} finally {
  rmSync(tmp, { recursive: true, force: true });
}
