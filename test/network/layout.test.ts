import { expect, test } from 'vitest';
import { stateDictMetadata } from '../../src/checkpoint/state-dict/metadata.js';
import { stateDictEntries, stateDictVersions } from '../../src/network/keys.js';
import { type GoogLeNetOptions, googlenet } from '../../src/networks/googlenet.js';
import { bundledStateDict } from '../helpers/bundled.js';

/** The live oracle compares networks without auxiliary heads and with other numbers of classes. */
const BUNDLED_OPTIONS = { branch3Kernel: 3, numClasses: 1000, auxClasses: [1000, 1000] } as const;

const entriesOf = (options: GoogLeNetOptions) =>
  [...stateDictEntries(googlenet(options))].map(([key, { dtype, shape }]) => [
    key,
    { dtype, shape },
  ]);

test('the keys, types and shapes are those of PyTorch, in its order', async () => {
  const bundled = [...(await bundledStateDict())];
  const layout = bundled.map(([key, { dtype, shape }]) => [key, { dtype, shape }]);
  expect(entriesOf(BUNDLED_OPTIONS)).toEqual(layout);
});

test('the versions of the modules are those of PyTorch, in its order', async () => {
  const recorded = stateDictMetadata(await bundledStateDict());
  expect([...stateDictVersions(googlenet(BUNDLED_OPTIONS))]).toEqual([...(recorded ?? [])]);
});

test('an auxiliary head may have other classes than the main one', () => {
  const layout = stateDictEntries(
    googlenet({ branch3Kernel: 5, numClasses: 2, auxClasses: [3, 4] }),
  );
  const shape = (key: string) => layout.get(key)?.shape;
  expect(['fc.bias', 'aux1.fc2.bias', 'aux2.fc2.bias'].map(shape)).toEqual([[2], [3], [4]]);
  expect(shape('aux2.fc2.weight')).toEqual([4, 1024]);
  expect(shape('inception3a.branch3.1.conv.weight')).toEqual([32, 16, 5, 5]);
});
