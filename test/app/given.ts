/** The network at 64x64, PyTorch’s record of it, and ways to hand both over. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, inject } from 'vitest';
import { type Golden, type GoogLeNet, type NamedBytes, readGolden } from '../../src/index.js';
import { imageNHWC } from '../../src/verify/golden.js';
import { expectClose, fetchBytes, fetchModel, registerBackends } from '../helpers/app.js';

export const backend = inject('backend');
export const checkpoint = 'golden/googlenet.pth.gz';
export const convert = { imageSize: 64, transformInput: false };
export let golden: Golden;
export let files: readonly NamedBytes[];

beforeAll(async () => {
  await registerBackends();
  golden = await readGolden(await fetchBytes('golden/googlenet.64.layers.golden.pth.gz'));
  files = await fetchModel('layers');
});

/** PyTorch's input of one image as a tensor that is normalised already. */
export const normalised = (image: number) => tf.tensor3d(imageNHWC(golden, image), [64, 64, 3]);

export const file = ({ name, bytes }: NamedBytes) =>
  new File([bytes as Uint8Array<ArrayBuffer>], name);

/** Against PyTorch's logits of the first image; it can be no batch, so that slow backends get by. */
export async function expectPyTorch(model: GoogLeNet): Promise<void> {
  const image = normalised(0);
  const { shape, data } = await model.logits(image);
  image.dispose();
  expect(shape).toEqual([1, 1000]);
  expectClose(data, golden.logits.subarray(0, 1000));
}
