// node finetune.js <checkpoint.pth> [--run FOLDER] [--seed N] [--recipe FILE]

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { readNetwork } from 'pth2tfjs';
import { googlenet, loadTrainable } from 'pth2tfjs/training';
import { epochFolder, findLast, readModel, restoreOptimizer, saveEpoch } from './checkpoints.js';
import { loadDigits } from './digits.js';
import { confusionTable, evaluate } from './evaluation.js';
import { trainEpoch } from './train.js';

async function main() {
  const { run, ...settings } = await readSettings();
  const { recipe } = settings;
  await tf.setBackend('wasm');
  const { train, validation, test } = loadDigits(recipe);
  const optimizer = tf.train.momentum(recipe.learningRate, recipe.momentum);
  const { net, state } = await begin(run, settings, optimizer);
  while (state.epoch < recipe.epochs && state.epoch - state.best.epoch < recipe.patience) {
    state.epoch++;
    trainEpoch(net, optimizer, train, { ...settings, epoch: state.epoch });
    const { loss, accuracy } = evaluate(net, validation);
    console.log(`epoch ${state.epoch}  validation loss ${loss.toFixed(3)}  ${percent(accuracy)}`);
    if (!Number.isFinite(loss)) throw new Error('training has diverged: lower the learning rate');
    if (loss < state.best.loss) state.best = { epoch: state.epoch, loss };
    await saveEpoch(run, state, net, optimizer);
  }
  await report(epochFolder(run, state.best.epoch), test, state.labels);
}

async function readSettings() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      run: { type: 'string', default: 'run' },
      seed: { type: 'string', default: '1' },
      recipe: { type: 'string', default: fileURLToPath(new URL('recipe.json', import.meta.url)) },
    },
  });
  const [checkpoint] = positionals;
  if (checkpoint === undefined) throw new Error('pass a checkpoint of GoogLeNet, a .pth file');
  const recipe = JSON.parse(await readFile(values.recipe, 'utf8'));
  return { run: values.run, checkpoint, seed: Number(values.seed), recipe };
}

/** The checkpoint's network with heads for the classes at hand, or the one where the run was left. */
async function begin(run, settings, optimizer) {
  const last = await findLast(run);
  const begun =
    last === null ? await fromCheckpoint(settings) : await fromRun(run, last, settings, optimizer);
  begun.net.freeze(settings.recipe.freeze);
  return begun;
}

async function fromCheckpoint(settings) {
  const { checkpoint, seed, recipe } = settings;
  const { imageSize } = recipe;
  const labels = recipe.digits.map(String);
  const { stateDict, transformInput } = await readNetwork(await readFile(checkpoint));
  const net = googlenet({ numClasses: labels.length, imageSize, transformInput, seed });
  net.loadStateDict(stateDict, { newHeads: true });
  return { net, state: { settings, labels, epoch: 0, best: { epoch: 0, loss: Infinity } } };
}

async function fromRun(run, { specs, ...state }, settings, optimizer) {
  const begun = JSON.stringify(state.settings);
  if (begun !== JSON.stringify(settings)) {
    throw new Error(`${run} was begun with ${begun}: name another --run`);
  }
  console.log(`${run} goes on after epoch ${state.epoch}`);
  const folder = epochFolder(run, state.epoch);
  const net = loadTrainable(await readModel(folder), { seed: settings.seed });
  await restoreOptimizer(folder, specs, optimizer);
  return { net, state };
}

async function report(folder, test, labels) {
  const { accuracy, confusion } = evaluate(loadTrainable(await readModel(folder)), test);
  console.log(`\n${confusionTable(confusion, labels)}\n`);
  console.log(`test accuracy ${percent(accuracy)} of ${test.labels.size} images, by ${folder}`);
  console.log(`to PyTorch: npx pth2tfjs export ${folder} finetuned.pth`);
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

try {
  await main();
} catch ({ message }) {
  console.error(`finetune.js: ${message}`);
  process.exitCode = 1;
}
