// Times GoogLeNet on ONNX Runtime through pth2tfjs, alternating with onnxruntime-node itself on PyTorch's own export of
// the same checkpoint. One image of 224 pixels, on as many threads as ONNX Runtime takes; for one thread:
//
//   npm ci --prefix test/onnxruntime
//   taskset -c 0 npm run bench:onnx-latency [-- ROUNDS]

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { enableProdMode } from '@tensorflow/tfjs-core';
import { convertCheckpoint } from '../dist/src/index.js';
import { prepareBackend } from '../dist/src/runtimes/backends.js';
import { openAnyModel } from '../dist/src/stored-model/open-any.js';
import { machine, median, PYTHON } from './common.js';

const rounds = Number(process.argv[2] ?? 30);
const root = fileURLToPath(new URL('..', import.meta.url));
const tmp = mkdtempSync(join(tmpdir(), 'pth2tfjs-bench-'));
const onnxruntime = createRequire(join(root, 'test/onnxruntime/package.json'))('onnxruntime-node');

try {
  enableProdMode();
  const checkpoint = join(root, 'golden/googlenet.pth.gz');
  const exported = join(tmp, 'exported.onnx');
  const script = join(root, 'test/oracle/onnx-export.py');
  const made = spawnSync(PYTHON, [script, exported, checkpoint, '224'], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(made.stderr);

  const session = await onnxruntime.InferenceSession.create(readFileSync(exported));
  const [input] = session.inputNames;
  const pixels = Float32Array.from({ length: 3 * 224 * 224 }, (_, i) => Math.sin(i));
  const tensor = new onnxruntime.Tensor('float32', pixels, [1, 3, 224, 224]);
  const options = { transformInput: false };
  const model = async (format) =>
    openAnyModel((await convertCheckpoint(readFileSync(checkpoint), { ...options, format })).files);
  const onnx = await (await prepareBackend('onnx', { onnxruntime })).load(await model('onnx'));
  const wasm = await (await prepareBackend('wasm')).load(await model('layers'));
  const contenders = {
    "onnxruntime-node, PyTorch's export": () => session.run({ [input]: tensor }),
    'pth2tfjs, onnx': () => onnx.predict(pixels),
    'pth2tfjs, wasm': () => wasm.predict(pixels),
  };
  const times = new Map(Object.keys(contenders).map((name) => [name, []]));
  for (let round = -3; round < rounds; round++) {
    for (const [name, run] of Object.entries(contenders)) {
      // The threads of a session look out for more work for a while, which costs the next one time.
      await setTimeout(100);
      const started = performance.now();
      await run();
      if (round >= 0) times.get(name).push(performance.now() - started);
    }
  }
  const [floor] = [...times.values()].map(median);
  console.log(machine());
  for (const [name, all] of times) {
    const time = median(all);
    console.log(
      `${name.padEnd(36)} ${time.toFixed(1).padStart(7)} ms  ${(time / floor).toFixed(2)} x`,
    );
  }
} finally {
  rmSync(tmp, { recursive: true, force: true });
}
