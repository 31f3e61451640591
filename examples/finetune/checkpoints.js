import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';

/**
 * A run is a folder with one for the last epoch and one for the best, such as `epoch-003`: the model
 * (model.json and its weights), the optimizer's momentum, and state.json. A folder gets its name only
 * once all of it is on the disk, so that whatever kills the run leaves the epoch before.
 */
const NAME = /^epoch-\d+$/;

export const epochFolder = (run, epoch) => join(run, `epoch-${String(epoch).padStart(3, '0')}`);

/** @param state JSON, with the numbers `epoch` and `best.epoch` */
export async function saveEpoch(run, state, net, optimizer) {
  const folder = epochFolder(run, state.epoch);
  const partial = `${folder}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  const { bytes, specs } = await packOptimizer(optimizer);
  const files = [
    ...(await net.toFiles(state.labels)),
    { name: 'optimizer.weights', bytes },
    { name: 'state.json', bytes: JSON.stringify({ ...state, specs }) },
  ];
  for (const { name, bytes } of files) await writeFile(join(partial, name), bytes, { flush: true });
  await rename(partial, folder);
  await clean(run, state);
}

/** The state of the last epoch that is whole; null for a run that is to begin. */
export async function findLast(run) {
  const names = await readdir(run).catch(() => []);
  const last = names
    .filter((name) => NAME.test(name))
    .sort()
    .at(-1);
  if (last === undefined) return null;
  const state = JSON.parse(await readFile(join(run, last, 'state.json'), 'utf8'));
  await clean(run, state);
  return state;
}

/** model.json and its weights, for `loadTrainable`. */
export async function readModel(folder) {
  const names = (await readdir(folder)).filter(
    (name) => name === 'model.json' || /\.bin$/.test(name),
  );
  const read = async (name) => ({ name, bytes: await readFile(join(folder, name)) });
  return Promise.all(names.map(read));
}

export async function restoreOptimizer(folder, specs, optimizer) {
  const { buffer, byteOffset, byteLength } = await readFile(join(folder, 'optimizer.weights'));
  const tensors = tf.io.decodeWeights(buffer.slice(byteOffset, byteOffset + byteLength), specs);
  await optimizer.setWeights(Object.entries(tensors).map(([name, tensor]) => ({ name, tensor })));
  tf.dispose(tensors);
}

async function packOptimizer(optimizer) {
  const { data, specs } = await tf.io.encodeWeights(await optimizer.getWeights());
  return { bytes: new Uint8Array(data), specs };
}

/** Leaves the last epoch and the best, and nothing that was never finished. */
async function clean(run, { epoch, best }) {
  const kept = [epoch, best.epoch].map((each) => epochFolder(run, each));
  for (const name of await readdir(run)) {
    const path = join(run, name);
    if (/^epoch-/.test(name) && !kept.includes(path)) await rm(path, { recursive: true });
  }
}
