import { describe, expect, test } from 'vitest';
import { hubHash } from '../../cli/hub-hash.js';
import { readZipDirectory } from '../../src/checkpoint/container/zip-directory.js';
import { convertCheckpoint } from '../../src/convert.js';
import { officialWeights } from '../../src/network/network.js';
import { NETWORK } from '../../src/networks/index.js';
import { BUNDLED, convertBundled } from '../helpers/bundled.js';
import { slowUnless } from '../helpers/tiers.js';
import { storedEntries, writeZip } from '../helpers/zip-writer.js';

const bundled = new Uint8Array(BUNDLED);

/** The bundled checkpoint with the first number of one storage replaced, and rightly packed again. */
function withWeight(storage: string, value: number): Uint8Array {
  const entries = storedEntries(bundled).map(({ name, data }) => {
    if (!name.endsWith(`/data/${storage}`)) return { name, data };
    const changed = new Uint8Array(data);
    new DataView(changed.buffer).setFloat32(0, value, true);
    return { name, data: changed };
  });
  return writeZip(entries);
}

describe('transform_input, which no state dict records', () => {
  test('is on for the official weights alone', () => {
    // The published name carries the hash; the size is that of the published file.
    const sha256 = `${hubHash('googlenet-1378be20.pth')}${'0'.repeat(56)}`;
    const isOfficial = (hash: string | undefined, bytes: number) =>
      officialWeights(NETWORK, hash, bytes)?.transformInput ?? false;
    expect(isOfficial(sha256, 52_147_035)).toBe(true);
    expect(isOfficial(sha256, 52_147_036)).toBe(false);
    expect(isOfficial(sha256.replace('1', '2'), 52_147_035)).toBe(false);
    expect(isOfficial(undefined, 52_147_035)).toBe(false);
  });

  test('is off for others, with a warning unless it was chosen', async () => {
    const guessed = await convertBundled({});
    expect(guessed.provenance.transformInput).toBe(false);
    expect(guessed.warnings).toEqual([
      expect.stringMatching(/^transform_input is taken to be off/),
    ]);
    for (const transformInput of [true, false]) {
      const chosen = await convertBundled({ transformInput });
      expect([chosen.provenance.transformInput, chosen.warnings]).toEqual([transformInput, []]);
    }
  });
});

test('the weights that are counted are the network’s own', async () => {
  // 6,624,904 in PyTorch, where each of the 7,280 channels has a weight and a bias of BatchNorm, and no bias.
  for (const transformInput of [true, false]) {
    const { parameters } = await convertBundled({ transformInput });
    expect(parameters).toBe(6_624_904 - 7_280);
  }
});

for (const value of [NaN, Infinity, -Infinity]) {
  test(`a weight of ${value} is named in a warning`, slowUnless(value < 0), async () => {
    const { warnings } = await convertCheckpoint(withWeight('0', value), { transformInput: false });
    expect(warnings).toEqual([
      expect.stringMatching(/^NaN or infinity in conv1\.conv\.weight: the logits mean nothing/),
    ]);
  });
}

test('the conversion leaves the bytes that it was given alone', async () => {
  const before = new Uint8Array(bundled);
  await convertCheckpoint(bundled, { transformInput: false });
  expect(Buffer.compare(before, bundled)).toBe(0);
});

test('every bit of a stored weight counts: one flipped is found', async () => {
  const entry = readZipDirectory(bundled).find(({ name }) => name.endsWith('/data/0'));
  const flipped = new Uint8Array(bundled);
  const at = (entry?.data.byteOffset ?? 0) - bundled.byteOffset + 1234;
  flipped[at] = (flipped[at] ?? 0) ^ 0x10;
  await expect(convertCheckpoint(flipped)).rejects.toMatchObject({
    code: 'corrupt',
    message: expect.stringMatching(/checksum of '.*\/data\/0'/),
  });
});
