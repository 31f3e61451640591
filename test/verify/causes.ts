/** Golden files that PyTorch wrote with one thing changed, and what is to be said of each. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openStoredModel } from '../../src/stored-model/open.js';
import { explainAll } from '../../src/verify/causes/single-layers.js';
import { joinExplanations } from '../../src/verify/causes/stories.js';
import { type Golden, readGolden } from '../../src/verify/golden.js';
import { Laboratory } from '../../src/verify/laboratory.js';
import { LayerCases } from '../../src/verify/local/layer-case.js';
import { bundledStateDict, CHECKPOINT, convertBundled } from '../helpers/bundled.js';
import { temporaryFolder } from '../helpers/cli.js';
import { findPython, runPython } from '../helpers/python.js';

export const python = await findPython('the causes of failed parity, one by one');
const folder = temporaryFolder();
export const OPTIONS = { imageSize: 64, transformInput: false } as const;

const made = new Map<string, Promise<unknown>>();

/** What PyTorch recorded for a case, made once. */
export async function goldenOf(name: string): Promise<Golden> {
  const making = made.get(name) ?? runPython(python as string, ORACLE, CHECKPOINT, folder, name);
  made.set(name, making);
  await making;
  return readGolden(readFileSync(join(folder, `${name}.pth`)));
}

const ORACLE = 'test/verify/causes-oracle.py';
export const reading = bundledStateDict();

/** What is said of a golden file from its layers, with the checkpoint at hand or without. */
export async function explain(name: string, withCheckpoint = true) {
  const { files } = await convertBundled(OPTIONS);
  const stateDict = await reading;
  const checkpoint = withCheckpoint ? ({ stateDict, branch3Kernel: 3 } as const) : null;
  const lab = new Laboratory(openStoredModel(files), await goldenOf(name), 5e-5, null, checkpoint);
  const explained = explainAll(lab, new LayerCases(lab));
  return explained.length === 0 ? null : joinExplanations(explained, withCheckpoint);
}

const EXCHANGED = 'inception4b.branch4.1';

type Case = readonly [name: string, id: string, where: string | null, summary: RegExp];

export const CASES: readonly Case[] = [
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
export const WITHOUT: readonly (readonly [name: string, id: string, summary: RegExp])[] = [
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

/** Test-time augmentation takes runs of the model, beside the layers. */
export const MEANS: readonly Case[] = [
  ['mean-mirrored', 'test-time-augmentation', null, /the mean of the logits .* mirror images/],
  ['sum-mirrored', 'test-time-augmentation', null, /the sum of the logits .* mirror images/],
  [
    'mean-softmax-mirrored',
    'test-time-augmentation',
    null,
    /the mean of the probabilities \(softmax\) .* mirror images/,
  ],
];
