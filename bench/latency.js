// Times the bundled network on a backend, from pixels in memory to logits in memory, beside PyTorch
// on the same machine: on its GPU where the backend runs on a GPU and PyTorch sees one, else on the
// processor. The two take turns.
//
//   npm run bench:latency [-- BACKEND [ROUNDS]]

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { importPackage, packageVersion } from '../dist/cli/import-package.js';
import { nvidiaGPUs } from '../dist/cli/nvidia.js';
import { convertCheckpoint, loadModel } from '../dist/src/index.js';
import { prepareBackend } from '../dist/src/tfjs/backends.js';

const BATCHES = [1, 32];
const WARM_UP = 3;

const backendName = process.argv[2] ?? 'wasm';
const rounds = Number(process.argv[3] ?? 9);
const checkpoint = fileURLToPath(new URL('../golden/googlenet.pth.gz', import.meta.url));
const python = process.env.PTH2TFJS_PYTHON ?? '/usr/bin/python3';

/** Answers each batch size on stdin with the milliseconds that a forward pass took. */
const TORCH = `
import gzip, sys, time, torch
from torchvision.models import googlenet
device = "cuda" if sys.argv[1] == "gpu" and torch.cuda.is_available() else "cpu"
torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
model = googlenet(weights=None, transform_input=False, init_weights=False)
model.load_state_dict(torch.load(gzip.open(sys.argv[2])))
model = model.eval().to(device)
name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
print(f"PyTorch {torch.__version__}, {name}", flush=True)
with torch.inference_mode():
    for line in sys.stdin:
        x = torch.randn(int(line), 3, 224, 224)
        start = time.perf_counter()
        model(x.to(device)).cpu()
        print(1000 * (time.perf_counter() - start), flush=True)
`;

function startTorch(hardware) {
  const found = existsSync(python) && spawnSync(python, ['-c', 'import torchvision']).status === 0;
  if (!found) return null;
  const args = ['-c', TORCH, hardware, checkpoint];
  const child = spawn(python, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => (await lines.next()).value;
  return {
    name: next,
    time: (batch) => {
      child.stdin.write(`${batch}\n`);
      return next().then(Number);
    },
    stop: () => child.stdin.end(),
  };
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

async function time(model, batch) {
  const input = Float32Array.from({ length: batch * 224 * 224 * 3 }, () => 2 * Math.random() - 1);
  const started = performance.now();
  await model.predict(input);
  return performance.now() - started;
}

const { files } = await convertCheckpoint(readFileSync(checkpoint), { transformInput: false });
const backend = await prepareBackend(backendName, { importPackage, packageVersion, nvidiaGPUs });
const { device, driver, hardware } = backend.info;
const model = await loadModel(files);
const torch = startTorch(hardware);
console.log(`${backendName}: ${[device, driver].filter(Boolean).join(', ')}; ${cpus()[0]?.model}`);
console.log(torch ? await torch.name() : `no torchvision for ${python}: measured alone`);
for (const batch of BATCHES) {
  const [ours, theirs] = [[], []];
  for (let round = -WARM_UP; round < rounds; round++) {
    const own = await time(model, batch);
    const other = await torch?.time(batch);
    if (round < 0) continue;
    ours.push(own);
    theirs.push(other);
  }
  const ratio = median(ours.map((value, i) => value / theirs[i]));
  const beside = torch
    ? `, PyTorch ${median(theirs).toFixed(1)} ms: ${ratio.toFixed(2)} times its time`
    : '';
  console.log(`batch ${batch}: ${median(ours).toFixed(1)} ms${beside}`);
}
torch?.stop();
model.dispose();
await backend.stop();
