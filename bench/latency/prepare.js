import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { convertCheckpoint, readGolden } from '../../dist/src/index.js';
import { batchNHWC } from '../../dist/src/verify/golden.js';
import { unfuse } from './unfused.js';

export const CHECKPOINT = fileURLToPath(new URL('../../golden/googlenet.pth.gz', import.meta.url));
export const PYTORCH = fileURLToPath(new URL('pytorch.py', import.meta.url));
const GOLDEN = new URL('../../golden/googlenet.golden.pth.gz', import.meta.url);

/** Writes the bundled network in all its forms, and the images, into a folder; returns their paths. */
export async function prepareFiles(folder) {
  const checkpoint = gunzipSync(readFileSync(CHECKPOINT));
  const options = { transformInput: false };
  const layers = (await convertCheckpoint(checkpoint, options)).files;
  const graph = (await convertCheckpoint(checkpoint, { ...options, format: 'graph' })).files;
  const write = (name, files) => {
    const directory = join(folder, name);
    mkdirSync(directory);
    for (const file of files) writeFileSync(join(directory, file.name), file.bytes);
    return directory;
  };
  return {
    layers: write('layers', layers),
    graph: write('graph', graph),
    unfused: write('unfused', await unfuse(layers, checkpoint)),
  };
}

/** The golden images in both layouts, and the logits that PyTorch gave for them. */
export async function prepareImages(folder) {
  const golden = await readGolden(readFileSync(GOLDEN));
  const [nhwc, nchw] = [join(folder, 'images.nhwc'), join(folder, 'images.nchw')];
  writeFileSync(nhwc, batchNHWC(golden));
  writeFileSync(nchw, golden.input);
  return { nhwc, nchw, golden };
}

/** Lets PyTorch write the network as ONNX, which folds BatchNorm into the convolutions, too. */
export function exportONNX(python, folder) {
  const path = join(folder, 'googlenet.onnx');
  execFileSync(python, [PYTORCH, 'export', CHECKPOINT, path], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return path;
}
