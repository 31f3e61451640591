/** A checkpoint beside a model that was made of another one. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  denseTensor,
  readCheckpoint,
  saveStateDict,
  type TensorView,
  toFloat32,
} from '../../src/checkpoint/index.js';
import { convertCheckpoint, type NamedBytes } from '../../src/index.js';
import { type Golden, readGolden } from '../../src/verify/golden.js';
import { verifyModel } from '../../src/verify/verify-model.js';
import { BUNDLED, convertBundled } from '../helpers/bundled.js';
import { GOLDEN, pth2tfjs, temporaryFolder } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';

const SMALL = { imageSize: 64, transformInput: false } as const;
const GOLDEN_FILE = join(GOLDEN, 'googlenet.64.layers.golden.pth.gz');
const tmp = temporaryFolder();
let golden: Golden;

beforeAll(async () => {
  const { input, logits, ...rest } = await readGolden(readFileSync(GOLDEN_FILE));
  golden = { input, logits, ...rest, activations: new Map() };
});

describe('a checkpoint that is not the model’s', () => {
  let other: Uint8Array;
  let otherModel: readonly NamedBytes[];

  beforeAll(async () => {
    const { value } = await readCheckpoint(BUNDLED);
    const entries = [...(value as ReadonlyMap<string, TensorView>)].map(([key, tensor]) => {
      if (!/\.(conv|fc)\.weight$|^fc\.weight$/.test(key)) return [key, tensor] as const;
      const values = toFloat32(tensor).map(
        (x, i) => x + 0.3 * Math.sin(i + key.length) * Math.abs(x),
      );
      return [key, denseTensor('float32', tensor.shape, values)] as const;
    });
    other = await saveStateDict(new Map(entries.filter(([key]) => !key.startsWith('aux'))));
    otherModel = (await convertCheckpoint(other, SMALL)).files;
  });

  test('whose logits the golden file holds', async () => {
    const alone = { ...golden, provenance: null };
    const options = { checkpoint: BUNDLED };
    const { diagnosis } = await verifyModel(otherModel, alone, options);
    expect(diagnosis?.cause).toMatchObject({ id: 'other-checkpoint', where: null });
    expect(diagnosis?.cause?.summary).toMatch(
      /^the model was made of another checkpoint \(SHA-256 \w{12}…\) than the one passed \(6ca9c6551a1d…\)/,
    );
    expect(diagnosis?.cause?.cure).toMatch(/^Convert the checkpoint that was passed/);
  });

  /** The model as others write it, which does not remember what it was made of. */
  const bare = (files: readonly NamedBytes[]) =>
    files.map(({ name, bytes }) => {
      if (name !== 'model.json') return { name, bytes };
      const { userDefinedMetadata: _, ...json } = JSON.parse(new TextDecoder().decode(bytes));
      return { name, bytes: new TextEncoder().encode(JSON.stringify(json)) };
    });

  test('where nothing tells what it was made of', SLOW, async () => {
    const { diagnosis } = await verifyModel(bare(otherModel), golden, { checkpoint: BUNDLED });
    expect(diagnosis?.cause).toMatchObject({ id: 'weights-differ' });
    expect(diagnosis?.cause?.summary).toMatch(
      /^none of the model's 58 kernels is the checkpoint's: it was made of another checkpoint/,
    );
    expect(diagnosis?.cause?.cure).toMatch(/^Convert this checkpoint, or pass the one/);
  });

  test('weights that are hardly others are not taken for those of another', SLOW, async () => {
    const near = bare(
      (await convertBundled(SMALL)).files.map(({ name, bytes }) => {
        if (name === 'model.json') return { name, bytes };
        const values = new Float32Array(Uint8Array.from(bytes).buffer);
        return {
          name,
          bytes: new Uint8Array(values.map((x, i) => x * (1 + 1e-3 * Math.sin(i))).buffer),
        };
      }),
    );
    const { diagnosis } = await verifyModel(near, golden, { checkpoint: BUNDLED });
    expect(diagnosis?.cause?.summary).toMatch(
      /^all of the model's 58 kernels are close to the checkpoint's .* off by 0\.000\d+ of their size/,
    );
  });

  test('is not passed over in silence where parity holds', SLOW, async () => {
    const [model, file] = [join(tmp, 'model'), join(tmp, 'other.pth')];
    writeFileSync(file, other);
    writeFileSync(join(tmp, 'own.pth'), BUNDLED);
    const sized = ['--image-size', '64', '--no-transform-input'];
    await pth2tfjs('convert', join(tmp, 'own.pth'), model, ...sized);
    const verify = ['verify', model, '--golden', GOLDEN_FILE, '--checkpoint'];
    const run = await pth2tfjs(...verify, file);
    expect(run).toMatchObject({ status: 0 });
    expect(run.stderr).toMatch(
      /^warning: the checkpoint \(SHA-256 \w{64}\) is not the one that the model was made of \(6ca9c6551a1d\w{52}\)/,
    );
    expect((await pth2tfjs(...verify, join(tmp, 'own.pth'))).stderr).toBe('');
  });
});
