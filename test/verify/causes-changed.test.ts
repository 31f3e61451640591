/** Causes in a model that was changed after converting. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { NamedBytes } from '../../src/stored-model/artifacts.js';
import {
  closeModel,
  type EditableModel,
  openModel,
  withWeights,
} from '../../src/stored-model/editable-model.js';
import { openStoredModel } from '../../src/stored-model/open.js';
import { readGolden } from '../../src/verify/golden.js';
import { verifyModel, verifyStored } from '../../src/verify/verify-model.js';
import { BUNDLED, convertBundled } from '../helpers/bundled.js';
import { SLOW } from '../helpers/tiers.js';

const OPTIONS = { imageSize: 64, transformInput: false } as const;
const LAYERED = '../../golden/googlenet.64.layers.golden.pth.gz';

describe('a model that was changed after converting', () => {
  type Change = (name: string, data: Float32Array, all: EditableModel['weights']) => Float32Array;
  const kernels =
    (change: (data: Float32Array) => Float32Array): Change =>
    (name, data) =>
      name.endsWith('/kernel') ? change(data) : data;
  const toTf32 = (data: Float32Array) => {
    const words = new Uint32Array(data.slice().buffer).map(
      (word) => ((word + 0x1000) >>> 13) << 13,
    );
    return new Float32Array(words.buffer);
  };
  const toUint8 = (data: Float32Array) => {
    const [low, high] = data.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [0, 0]);
    const step = (high - low) / 255;
    return data.map((value) => low + step * Math.round((value - low) / step));
  };
  const exchange: Change = (name, data, all) => {
    const other = name.replace(/4[bc](?=\.branch4\.1)/, (block) => (block === '4b' ? '4c' : '4b'));
    return all.get(other)?.data ?? data;
  };

  test.each<[string, Change, object]>([
    ['two layers exchanged', exchange, { id: 'tensors-exchanged', where: 'inception4b.branch4.1' }],
    [
      'every bias lost',
      (name, data) => (name.endsWith('/bias') ? data.map(() => 0) : data),
      { id: 'weights-zero', summary: expect.stringMatching(/58 biases .* all zero/) },
    ],
    // No number of the bundled network is so small that float16 has another for it than TF32.
    [
      'weights in TF32',
      (_, data) => toTf32(data),
      { id: expect.stringMatching(/^precision-(tf32|float16)$/) },
    ],
    ['kernels in uint8', kernels(toUint8), { id: 'precision-int' }],
    [
      'all weights others',
      (_, data) => data.slice().reverse(),
      { id: 'weights-differ', summary: expect.stringMatching(/made of another checkpoint/) },
    ],
  ])('%s: told from the checkpoint', SLOW, async (_, change, cause) => {
    const { files } = await convertBundled(OPTIONS);
    const model = openModel(openStoredModel(files));
    const changed = [...model.weights].map(
      ([name, { data }]) => [name, change(name, data, model.weights)] as const,
    );
    const golden = await readGolden(readFileSync(new URL(LAYERED, import.meta.url)));
    const { diagnosis } = await verifyStored(
      [closeModel(withWeights(model, new Map(changed)))],
      { ...golden, activations: new Map() },
      { checkpoint: BUNDLED },
    );
    expect(diagnosis?.cause).toMatchObject(cause);
  });
});

test('a bit of a mantissa of a stored weight is seen where the checkpoint is at hand', async () => {
  const { files } = await convertBundled(OPTIONS);
  const golden = await readGolden(readFileSync(new URL(LAYERED, import.meta.url)));
  const alone = { ...golden, activations: new Map() };
  const last = files.at(-1);
  const flipped = files.map(({ name, bytes }) => {
    const copy = bytes.slice();
    if (name === last?.name) copy[copy.length - 8] = (copy[copy.length - 8] as number) ^ 1;
    return { name, bytes: copy };
  });
  const verify = (given: readonly NamedBytes[], checkpoint?: Uint8Array) =>
    verifyModel(given, alone, { checkpoint });
  expect((await verify(flipped)).passed).toBe(true);
  await expect(verify(flipped, BUNDLED)).rejects.toThrow(
    /weight fc\/bias .* 1 of 1000 numbers differ/,
  );
  expect((await verify(files, BUNDLED)).passed).toBe(true);
});
