/**
 * Causes by themselves: what they say of golden files that PyTorch wrote with one thing changed, layers
 * and all (test/verify/causes-oracle.py), and that they say nothing of what is right.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { prepareBackend } from '../../src/runtimes/tfjs/backends.js';
import type { NamedBytes } from '../../src/stored-model/artifacts.js';
import {
  closeModel,
  type EditableModel,
  openModel,
  withWeights,
} from '../../src/stored-model/editable-model.js';
import { openStoredModel } from '../../src/stored-model/open.js';
import { everywhere } from '../../src/verify/causes/everywhere.js';
import { exchangedLayers } from '../../src/verify/causes/exchanged.js';
import { explainAll } from '../../src/verify/causes/single-layers.js';
import { joinExplanations } from '../../src/verify/causes/stories.js';
import { type Golden, readGolden } from '../../src/verify/golden.js';
import { Laboratory } from '../../src/verify/laboratory.js';
import { LayerCases } from '../../src/verify/local/layer-case.js';
import { verifyModel, verifyStored } from '../../src/verify/verify-model.js';
import { BUNDLED, bundledStateDict, CHECKPOINT, convertBundled } from '../helpers/bundled.js';
import { temporaryFolder } from '../helpers/cli.js';
import { findPython, runPython } from '../helpers/python.js';
import { SLOW, slowUnless } from '../helpers/tiers.js';

const python = await findPython('the causes of failed parity, one by one');
const folder = temporaryFolder();
const OPTIONS = { imageSize: 64, transformInput: false } as const;

const made = new Map<string, Promise<unknown>>();

/** What PyTorch recorded for a case, made once. */
async function goldenOf(name: string): Promise<Golden> {
  const making = made.get(name) ?? runPython(python as string, ORACLE, CHECKPOINT, folder, name);
  made.set(name, making);
  await making;
  return readGolden(readFileSync(join(folder, `${name}.pth`)));
}

const ORACLE = 'test/verify/causes-oracle.py';
const reading = bundledStateDict();

/** What is said of a golden file from its layers, with the checkpoint at hand or without. */
async function explain(name: string, withCheckpoint = true) {
  const { files } = await convertBundled(OPTIONS);
  const stateDict = await reading;
  const checkpoint = withCheckpoint ? ({ stateDict, branch3Kernel: 3 } as const) : null;
  const lab = new Laboratory(openStoredModel(files), await goldenOf(name), 5e-5, null, checkpoint);
  const explained = explainAll(lab, new LayerCases(lab));
  return explained.length === 0 ? null : joinExplanations(explained, withCheckpoint);
}

const EXCHANGED = 'inception4b.branch4.1';

type Case = readonly [name: string, id: string, where: string | null, summary: RegExp];

const CASES: readonly Case[] = [
  ['fc-bias-lost', 'corrupt-tensor', 'fc/bias', /fc\.bias is lost/],
  ['fc-bias', 'corrupt-tensor', 'fc/bias', /every image is moved by the same amount/],
  ['fc-scaled', 'corrupt-tensor', 'fc', /1\.25 times/],
  ['fc-noise', 'corrupt-tensor', 'fc', /all layers before it agree/],
  ['dropout', 'training-mode', 'fc', /dropout before fc/],
  ['training', 'training-mode', null, /statistics of the batch, and dropout was on/],
  ['norm-of-batch', 'training-mode', null, /statistics of the batch, in every convolution/],
  [
    'norm-reset',
    'batch-norm-statistics',
    null,
    /reset, mean 0 and variance 1, in every convolution/,
  ],
  ['epsilon-1e-2', 'batch-norm-eps', null, /epsilon of 1e-2 .* in every convolution/],
  ['epsilon-one', 'batch-norm-eps', 'inception5a.branch1', /1e-5, PyTorch's default/],
  ['no-relu', 'activation', 'inception4a.branch2.1', /no ReLU after inception4a\.branch2\.1$/],
  ['average-pool', 'pool-kind', 'maxpool2', /an average pool, not a max-pool in maxpool2/],
  ['branch-pool', 'pool-kind', 'inception3b.branch4.0', /an average pool, not a max-pool/],
  ['maximum', 'pool-kind', 'avgpool', /takes the maximum/],
  ['dilated', 'conv-windows', 'inception3a.branch2.1', /a dilation of 2 instead of 1/],
  ['unpadded', 'conv1-padding', 'conv1', /conv1 with a padding of 0 instead of 3$/],
  ['strided', 'conv-windows', 'conv1', /conv1 with a stride of 1 instead of 2$/],
  ['turned', 'kernel-layout', 'conv3/kernel', /PyTorch's network has conv3\/kernel turned by 180/],
  ['all-turned', 'kernel-layout', null, /PyTorch's network has the kernels .* turned by 180/],
  [
    'one-weight',
    'corrupt-tensor',
    'inception4d.branch2.1/kernel',
    /kernel\[1, 1, 6, 5\].*channel 5 of 288/,
  ],
  ['block-skipped', 'layer-order', 'inception4b', /leaves inception4b out/],
  ['branches-mixed', 'branch-order', 'inception4e', /2, 1, 3, 4/],
  ['bfloat16', 'precision-bfloat16', null, /computed in bfloat16/],
  ['clip', 'input-normalization', null, /CLIP's mean and std/],
  ['mean-alone', 'input-normalization', null, /less the mean alone/],
  [
    'half',
    'transform-input',
    null,
    /transform_input was on in PyTorch, or .*mean 0\.5 and std 0\.5/,
  ],
  ['divided-twice', 'input-0-255', null, /^PyTorch's images were divided by 255 twice/],
  ['divided-twice-raw', 'input-0-255', null, /^PyTorch's images were divided by 255 twice/],
  ['divided-twice-alone', 'input-0-255', null, /^PyTorch's .* 255 twice and not normalised/],
  ['divided-twice-before', 'input-0-255', null, /^PyTorch's .* 255 twice and then normalised/],
  ['divided-twice-saved', 'input-0-255', null, /the golden file's are divided by 255 twice/],
  ['divided-twice-saved-raw', 'input-0-255', null, /the golden file's are divided by 255 twice/],
  ['divided-after', 'input-0-255', null, /^PyTorch's images were .* and then divided by 255/],
  ['divided-after-saved', 'input-0-255', null, /the golden file's are .* and then divided by 255/],
  ['undivided', 'input-0-255', null, /^PyTorch .* normalised without dividing by 255/],
  ['undivided-saved', 'input-0-255', null, /the golden file's are normalised without dividing/],
  ['bytes', 'input-0-255', null, /the golden file's are raw pixels from 0 to 255$/],
  ['bytes-rounded', 'input-0-255', null, /the golden .* raw pixels from 0 to 255 without decimals/],
  ['bytes-cut', 'input-0-255', null, /the golden .* raw pixels from 0 to 255 without decimals/],
  ['image-2-bytes', 'input-0-255', null, /^image 2 alone of 4: .* the golden .* from 0 to 255$/],
  [
    'caffe',
    'input-normalization',
    null,
    /^PyTorch's images were prepared as for Caffe's GoogLeNet/,
  ],
  ['bytes-run', 'input-0-255', null, /^PyTorch's images were raw pixels from 0 to 255/],
  [
    'bytes-divided-twice',
    'input-0-255',
    null,
    /^PyTorch's .* twice.* are raw pixels from 0 to 255/,
  ],
  ['rounded-saved', 'input-rounded', null, /the golden file's input holds whole numbers/],
  ['cut-saved', 'input-rounded', null, /the golden file's input holds whole numbers/],
  ['rounded-run', 'input-rounded', null, /^PyTorch was given the images rounded to whole numbers/],
  ['cut-run', 'input-rounded', null, /^PyTorch was given the images cut to whole numbers/],
  ['eight-bits-run', 'input-rounded', null, /^PyTorch was given the images rounded to 8 bits/],
  ['eight-bits-cut-run', 'input-rounded', null, /^PyTorch was given the images cut to 8 bits/],
  ['whole-division', 'input-rounded', null, /divided by 255 as whole numbers/],
  ['larger', 'input-size', null, /of 96x96 .* of 64x64, resized \(bilinear\)/],
  ['larger-antialias', 'input-size', null, /of 73x73 .* resized \(bicubic with antialias\)/],
  ['larger-nearest', 'input-size', null, /of 128x128 .* resized \(nearest\)/],
  ['smaller', 'input-size', null, /of 48x48 .* resized \(bilinear\)/],
  ['larger-padded', 'conv1-padding', 'conv1', /padding of 7 .* or .* in a border of zeros/],
  ['larger-cropped', 'input-size', null, /of 72x72 .* a part of those, from pixel 4 of row 5/],
  ['smaller-centre', 'input-size', null, /of 56x56 .* cropped from their centre/],
  ['smaller-cropped', 'input-size', null, /of 56x56 .* cropped, from pixel 5 of row 2/],
  ['larger-pictures', 'input-size', null, /of 72x72 pixels, the golden file's are of 64x64/],
  ['bgr', 'input-bgr', null, /red and blue are swapped/],
  ['turned-image', 'input-turned', null, /turned by 90 degrees/],
  ['shifted', 'input-shifted', null, /1 pixel to the right/],
  ['other-crop', 'input-shifted', null, /3 pixels up, as by another crop/],
  ['image-2-flipped', 'input-mirrored', null, /^image 2 alone of 4: the images are mirrored/],
  ['images-exchanged', 'image-order', null, /another order.*0 is 1, 1 is 0/],
  ['blurred', 'input-other', null, /other images than the golden file holds/],
  ['float16', 'precision-float16', null, /logits were rounded to float16/],
  ['sigmoid', 'sigmoid', null, /probabilities \(sigmoid\)/],
  ['log-softmax', 'softmax', null, /log_softmax/],
  ['softmax-2', 'softmax', null, /\(softmax\) with a temperature of 2,/],
  ['softmax-half', 'softmax', null, /\(softmax\) with a temperature of 0\.5,/],
  ['log-softmax-2', 'softmax', null, /\(log_softmax\) with a temperature of 2,/],
  ['less-maximum', 'logits-moved', null, /logits less the largest of each image$/],
  ['less-first', 'logits-moved', null, /a number of its own added to each image's$/],
  ['scaled-less-maximum', 'logits-moved', null, /less the largest of each image and divided by 3$/],
  ['sorted', 'logits-sorted', null, /holds logits .* smallest first/],
  ['sorted-down', 'logits-sorted', null, /holds logits .* largest first, as topk/],
  [
    'softmax-sorted',
    'logits-sorted',
    null,
    /\(softmax\) in the order of their size, largest first/,
  ],
  ['class-shift', 'class-order', null, /shifted by 1/],
  ['temperature', 'logits-scaled', null, /divided by 1\.5/],
  ['row-2', 'image-other', null, /logits of image 2 are not those/],
  ['rows-exchanged', 'image-order', null, /row 0 is 1, 1 is 0/],
  ['instance-norm', 'batch-norm-kind', null, /InstanceNorm2d.* in every convolution/],
  ['instance-norm-bare', 'batch-norm-kind', null, /InstanceNorm2d.* in conv1 and 5\d other/],
  ['instance-norm-one', 'batch-norm-kind', 'inception3b.branch2.1', /InstanceNorm2d/],
  ['group-norm', 'batch-norm-kind', null, /GroupNorm \(8 groups\).* in every convolution/],
  ['layer-norm', 'batch-norm-kind', null, /LayerNorm \(GroupNorm of one group\)/],
  ['pixel-norm', 'batch-norm-kind', null, /LayerNorm over the channels of each pixel/],
  ['no-norm', 'batch-norm-affine', null, /no BatchNorm in every convolution/],
  ['relu-first', 'batch-norm-order', null, /ReLU before BatchNorm .* in every convolution/],
  ['relu-before', 'activation', null, /ReLU before the convolution.* in every convolution/],
  ['silu', 'activation', null, /SiLU .* after every convolution/],
  ['relu-cut', 'activation', null, /ReLU cut off at 1\.5 .* after every convolution/],
  ['prelu', 'activation', null, /PReLU, or LeakyReLU .* after every convolution/],
  ['weight-norm', 'kernel-normed', null, /filter divided by its norm.* in every convolution/],
  ['biases-lost', 'batch-norm-affine', null, /bias of BatchNorm all zero, in every convolution/],
  ['kernels-exchanged', 'tensors-exchanged', EXCHANGED, /the kernel of inception4c.*exchanged/],
  ['layers-exchanged', 'tensors-exchanged', EXCHANGED, /the weights of inception4c.*exchanged/],
  ['fc-in-half', 'precision-float16', 'fc', /fc alone in float16/],
  ['uint8', 'precision-int', null, /the kernels of .* rounded to integers of 8 bits/],
  ['int8', 'precision-int', null, /every convolution rounded to integers of 8 bits/],
  ['softsign-first', 'other-computation', null, /no kernel gives their output/],
  ['other-checkpoint', 'weights-differ', null, /other weights than the checkpoint in 5\d layers/],
];

/** What is told without the checkpoint, whose BatchNorm is folded into the model's kernels. */
const WITHOUT: readonly (readonly [name: string, id: string, summary: RegExp])[] = [
  ['instance-norm', 'batch-norm-kind', /InstanceNorm2d/],
  ['instance-norm-one', 'batch-norm-kind', /InstanceNorm2d.* in inception3b\.branch2\.1/],
  ['group-norm', 'other-computation', /not with other weights/],
  ['layer-norm', 'other-computation', /not with other weights/],
  ['no-norm', 'batch-norm-affine', /no BatchNorm in .*, or one that has lost/],
  ['relu-first', 'batch-norm-order', /ReLU before BatchNorm .* in every convolution/],
  ['relu-before', 'activation', /ReLU before the convolution/],
  ['relu-cut', 'activation', /ReLU cut off at 1\.5/],
  ['softsign-first', 'other-computation', /not with other weights/],
  ['kernels-exchanged', 'tensors-exchanged', /inception4c.* exchanged/],
  ['layers-exchanged', 'tensors-exchanged', /inception4c.* exchanged/],
  ['biases-lost', 'batch-norm', /add other biases than the model/],
  ['fc-in-half', 'precision-float16', /fc alone in float16/],
  ['other-checkpoint', 'weights-differ', /other weights than the model in 5\d layers/],
];

const QUICK = [
  'fc-bias',
  'average-pool',
  'no-relu',
  'other-crop',
  'divided-twice',
  'instance-norm',
  'relu-first',
];

describe.skipIf(python === undefined)('from its layers, with the checkpoint', () => {
  test('nothing is said of what is right', async () => {
    expect(await explain('right')).toBeNull();
    expect(await explain('right', false)).toBeNull();
  });

  for (const [name, id, where, summary] of CASES) {
    test(`${name} is told`, slowUnless(QUICK.includes(name)), async () => {
      const story = await explain(name);
      expect(story).toMatchObject({ id, where });
      expect(story?.summary).toMatch(summary);
    });
  }

  test.each(WITHOUT)('without the checkpoint, %s is told', SLOW, async (name, id, summary) => {
    const story = await explain(name, false);
    expect(story).toMatchObject({ id });
    expect(story?.summary).toMatch(summary);
  });

  test('without the checkpoint, BatchNorm is named and not what it is about', SLOW, async () => {
    expect(await explain('norm-of-batch', false)).toMatchObject({ id: 'batch-norm' });
    expect(await explain('epsilon-one', false)).toMatchObject({
      where: 'inception5a.branch1/kernel',
    });
  });
});

/** Test-time augmentation takes runs of the model, beside the layers. */
const MEANS: readonly Case[] = [
  ['mean-mirrored', 'test-time-augmentation', null, /the mean of the logits .* mirror images/],
  ['sum-mirrored', 'test-time-augmentation', null, /the sum of the logits .* mirror images/],
  [
    'mean-softmax-mirrored',
    'test-time-augmentation',
    null,
    /the mean of the probabilities \(softmax\) .* mirror images/,
  ],
];

describe.skipIf(python === undefined)('from layers and runs of the model', SLOW, () => {
  // The layers are those of the images as they are, or of the mirrored ones, which ran last.
  const both = MEANS.flatMap(([name, ...rest]) => [
    [name, ...rest] as const,
    [`${name}-after`, ...rest] as const,
  ]);

  test.each(both)('%s is told', async (name, id, _where, summary) => {
    const { files } = await convertBundled(OPTIONS);
    const { diagnosis } = await verifyModel(files, await goldenOf(name), { checkpoint: BUNDLED });
    expect(diagnosis?.cause).toMatchObject({ id });
    expect(diagnosis?.cause?.summary).toMatch(summary);
  });
});

const FROM_LOGITS = new Set([
  'fc-bias',
  'fc-in-half',
  'dropout',
  'training',
  'temperature',
  'class-shift',
  'divided-twice',
  'divided-twice-raw',
  'divided-twice-alone',
  'divided-twice-before',
  'divided-twice-saved',
  'divided-after',
  'bytes',
  'bytes-rounded',
  'rounded-run',
  'eight-bits-run',
  'larger',
  'smaller-centre',
  'softmax-2',
  'log-softmax-2',
  'less-maximum',
  'less-first',
  'sorted-down',
  'softmax-sorted',
]);

describe.skipIf(python === undefined)('from the logits alone', SLOW, () => {
  const LOGITS = CASES.filter(([name]) => FROM_LOGITS.has(name));

  test.each([...LOGITS, ...MEANS])('%s is told', async (name, id, _where, summary) => {
    const golden = { ...(await goldenOf(name)), activations: new Map() };
    const { files } = await convertBundled(OPTIONS);
    const { diagnosis } = await verifyModel(files, golden, { checkpoint: BUNDLED });
    expect(diagnosis?.cause).toMatchObject({ id });
    expect(diagnosis?.cause?.summary).toMatch(summary);
  });

  const ALIKE = CASES.filter(([name]) =>
    ['instance-norm', 'relu-before', 'biases-lost', 'kernels-exchanged'].includes(name),
  );

  test.each(ALIKE)(
    '%s closes the gap, and nothing else does',
    async (name, id, _where, _summary) => {
      const golden = { ...(await goldenOf(name)), activations: new Map() };
      const { files } = await convertBundled(OPTIONS);
      const checkpoint = { stateDict: await reading, branch3Kernel: 3 } as const;
      const backend = await prepareBackend('wasm');
      const lab = new Laboratory(openStoredModel(files), golden, 5e-5, null, checkpoint);
      const closing = new Set<string>();
      const before = await lab.error({}, Infinity);
      for (const suspect of [...everywhere(lab), ...exchangedLayers(lab)]) {
        const error = suspect.measure ? undefined : await lab.error(suspect.variation ?? {});
        const closes =
          error === undefined ? (await suspect.measure?.(lab, before))?.convicted : error <= 5e-5;
        if (closes) closing.add(suspect.id);
      }
      lab.dispose();
      await backend.stop();
      expect([...closing]).toEqual([id]);
    },
  );
});

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
    ['two layers exchanged', exchange, { id: 'tensors-exchanged', where: EXCHANGED }],
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
      closeModel(withWeights(model, new Map(changed))),
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

const LAYERED = '../../golden/googlenet.64.layers.golden.pth.gz';
