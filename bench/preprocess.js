// Times preprocessing, from a photo's pixels to the model's input, next to torchvision's with Pillow. The two
// take turns and must give the same bytes.
//
//   npm run bench:preprocess [-- ROUNDS]

import { createHash, randomFillSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { preprocess } from '../dist/src/image/index.js';
import { canImport, machine, median, PYTHON } from './common.js';
import { startContender } from './contender.js';

const SIZES = [
  [4000, 3000],
  [1280, 960],
  [640, 480],
];
const WARM_UP = 5;
const rounds = Number(process.argv[2] ?? 15);

const pixels = randomFillSync(new Uint8Array(3 * 4000 * 3000));

function own([width, height]) {
  const data = pixels.subarray(0, 3 * width * height);
  const started = performance.now();
  const values = preprocess({ data, width, height });
  const ms = performance.now() - started;
  return { ms, sha256: createHash('sha256').update(values).digest('hex') };
}

async function race(size, torchvision) {
  const [ours, theirs] = [[], []];
  for (let round = -WARM_UP; round < rounds; round++) {
    const [mine, other] = [own(size), await torchvision?.ask(size)];
    if (other !== undefined && other.sha256 !== mine.sha256) {
      throw new Error(`${size.join('x')}: not what torchvision gives`);
    }
    if (round < 0) continue;
    ours.push(mine.ms);
    theirs.push(other?.ms);
  }
  return { ours, theirs };
}

const folder = mkdtempSync(join(tmpdir(), 'pth2tfjs-bench-'));
try {
  const file = join(folder, 'pixels');
  writeFileSync(file, pixels);
  const script = fileURLToPath(new URL('preprocess.py', import.meta.url));
  const torchvision = canImport('torchvision')
    ? await startContender('torchvision', PYTHON, [script, file])
    : undefined;
  const versions =
    torchvision && `torchvision ${torchvision.torchvision}, Pillow ${torchvision.pillow}`;
  console.log(`${machine()}; ${versions ?? `no torchvision for ${PYTHON}: measured alone`}`);
  for (const size of SIZES) {
    const { ours, theirs } = await race(size, torchvision);
    const ratio = median(ours.map((ms, i) => ms / theirs[i]));
    const beside = torchvision
      ? `, torchvision ${median(theirs).toFixed(1)} ms: ${ratio.toFixed(2)} times its time`
      : '';
    console.log(`${size.join('x')}: ${median(ours).toFixed(1)} ms${beside}`);
  }
  torchvision?.stop();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
