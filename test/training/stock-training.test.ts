/**
 * What `convert --trainable` writes is TensorFlow.js's own, too: stock `loadLayersModel` and `model.fit`
 * train it in a process that has none of our code, and what `model.save` writes goes back to PyTorch.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { contiguousBytes, type StateDict, type TensorView } from '../../src/checkpoint/index.js';
import { readNetwork } from '../../src/index.js';
import { compareLogits, DEFAULT_RTOL } from '../../src/verify/index.js';
import { BUNDLED, convertBundled } from '../helpers/bundled.js';
import { pth2tfjs, temporaryFolder } from '../helpers/cli.js';
import { findPython, runPython } from '../helpers/python.js';
import { runStockTrainer, type StockTraining } from '../helpers/stock.js';
import { SLOW } from '../helpers/tiers.js';

const SIZE = 15;
const python = await findPython('what stock TensorFlow.js trained in PyTorch');
const folder = temporaryFolder();
const file = join(folder, 'trained.pth');
let training: StockTraining;

beforeAll(async () => {
  const options = { trainable: true, transformInput: false, imageSize: SIZE };
  const { files } = await convertBundled(options);
  training = await runStockTrainer(files, folder);
});

test('model.fit takes labels for the three outputs, and lowers the loss', SLOW, () => {
  const [first, second] = training.losses as [number, number];
  expect(training.losses).toHaveLength(2);
  expect(second).toBeLessThan(first);
});

test('export takes what model.save wrote, which has learnt in every tensor', SLOW, async () => {
  const exported = await pth2tfjs('export', folder, file);
  expect(exported).toMatchObject({ status: 0, stderr: '' });
  const { stateDict: before } = await readNetwork(BUNDLED);
  const { stateDict: after } = await readNetwork(readFileSync(file));
  expect([...after.keys()]).toEqual([...before.keys()]);
  const floats = [...before.keys()].filter((key) => !key.endsWith('.num_batches_tracked'));
  const bytesOf = (stateDict: StateDict, key: string) =>
    Buffer.from(contiguousBytes(stateDict.get(key) as TensorView));
  expect(floats.filter((key) => bytesOf(before, key).equals(bytesOf(after, key)))).toEqual([]);
});

test.skipIf(python === undefined)(
  'torchvision takes it, and gives the same logits',
  SLOW,
  async () => {
    const { images } = training;
    const batch = { shape: [images.length / SIZE ** 2 / 3, SIZE, SIZE, 3], images };
    writeFileSync(join(folder, 'trained.json'), JSON.stringify(batch));
    const printed = await runPython(
      python as string,
      'test/helpers/export.py',
      'run',
      folder,
      'trained',
    );
    const [expected, actual] = [JSON.parse(printed), training.logits].map((values) =>
      Float32Array.from(values),
    ) as [Float32Array, Float32Array];
    const tolerance = { rtol: DEFAULT_RTOL.float32, atol: null, top1: true };
    const { passed, required } = compareLogits(expected, actual, 1000, tolerance);
    expect(passed, `needs ${required.rtol}`).toBe(true);
  },
);
