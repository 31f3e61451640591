/**
 * What a live PyTorch saves that is not to be converted as it is: it is named as what it is, and each way on
 * that an error proposes is followed, on the very file.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { isPth2tfjsError, type Pth2tfjsError } from '../../src/base/errors.js';
import { inspectCheckpoint } from '../../src/inspect.js';
import { readNetwork, type SourceOptions } from '../../src/read-network.js';
import { temporaryFolder } from '../helpers/cli.js';
import { findPython, runPython } from '../helpers/python.js';
import { SLOW } from '../helpers/tiers.js';

const SCRIPT = 'test/network/unfit.py';
const python = await findPython('networks that are not to be converted');
const folder = temporaryFolder();
const others = temporaryFolder();

beforeAll(async () => {
  if (python !== undefined) await runPython(python, SCRIPT, 'make', folder);
});

const read = async (name: string, options: SourceOptions = {}, from = folder) =>
  readNetwork(await readFile(join(from, `${name}.pth`)), options);

const problem = async (name: string, from = folder): Promise<Pth2tfjsError> =>
  read(name, {}, from).then(
    () => expect.fail(`${name} was read`),
    (error: unknown) => (isPth2tfjsError(error) ? error : Promise.reject(error)),
  );

describe.runIf(python)('refused, as what it is', () => {
  it.each([
    ['second-head', 'mapping', /there is head\.weight \[5, 1024\], .* a second head/],
    ['second-head-of-logits', 'mapping', /there is out\.weight \[5, 10\], .* a second head/],
    ['second-head-conv', 'mapping', /there is out\.weight \[5, 1024, 1, 1\], .* a second head/],
    ['second-head-flat', 'mapping', /there is classifier\.weight \[5, 1024\], .* a second head/],
    ['two-networks', 'ambiguous-state-dict', /'student' \(344 tensors\), 'teacher'/],
    ['further-module', 'mapping', /: 2 unexpected \(attention\.weight, attention\.bias\)$/],
    ['collision', 'mapping', /'conv1\.conv\.weight' and 'conv1\._orig_mod\.conv\.weight'/],
    ['collision-of-wrappers', 'mapping', /'module\.fc\.bias' and 'fc\.bias'/],
    [
      'head-of-layers',
      'mapping',
      /a head of several layers \(fc\.0, fc\.2\), which is not converted/,
    ],
    ['head-with-norm', 'mapping', /a head of several layers \(fc\.0, fc\.1\)/],
    ['head-in-sequential', 'mapping', /2 unexpected \(fc\.1\.weight, fc\.1\.bias\)/],
    ['head-in-data-parallel', 'mapping', /2 unexpected \(fc\.1\.weight, fc\.1\.bias\)/],
    [
      'opaque-tensor',
      'mapping',
      /conv1\.conv\.weight is a torch\.nn\.\S+\.Identity, not a tensor$/,
    ],
    ['sparse-tensor', 'mapping', /fc\.weight is a sparse tensor, not a/],
    ['numpy-tensor', 'mapping', /fc\.bias is a NumPy array, not a tensor$/],
    ['text-tensor', 'mapping', /fc\.bias is a text, not a tensor$/],
    ['none-tensor', 'mapping', /fc\.bias is None, not a tensor$/],
    ['pruned', 'mapping', /weight_orig, conv1\.conv\.weight_mask/],
    ['weight-norm', 'mapping', /conv1\.conv\.weight_g/],
    ['spectral-norm', 'mapping', /conv1\.conv\.weight_u/],
    ['parametrized', 'mapping', /parametrizations\.weight\.original/],
    ['fused', 'mapping', /is of a GoogLeNet that is fused/],
    ['quantization-aware', 'mapping', /prepared for quantization-aware training/],
    ['quantized', 'mapping', /is of a GoogLeNet that is quantized/],
    ['module-quantized', 'unsupported', /\.quantized\..* makes its own state dict/],
    ['module-epsilon', 'mapping', /inception3a\.branch1\.bn has eps=0\.00001, where .* 0\.001$/],
    ['module-stride', 'mapping', /conv2\.conv has stride=\(2, 2\), where torchvision has 1$/],
    ['module-pool', 'mapping', /maxpool2 is a torch\.nn\.modules\.pooling\.AvgPool2d$/],
    ['module-floor-pool', 'mapping', /maxpool3 has ceil_mode=false/],
    ['module-other', 'mapping', /is not GoogLeNet's but ResNet's/],
  ])('%s: %s', async (name, code, message) => {
    const error = await problem(name);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(`${error.message} ${error.hint}`).not.toMatch(/weights_only|pickle\.load/);
  });

  it.each([
    [
      'normalising-wrapper',
      /^beside the network there is mean \[3, 1, 1\], std \[3, 1, 1\]; if the wrapper's forward uses it/,
    ],
    ['normalising-flat', /there is mean \[3\]/],
    ['extra-state', /extra state \(_extra_state\), which a module of another class than/],
    ['extra-state-tensor', /extra state \(conv2\.conv\._extra_state\), which a module of another/],
    ['extra-state-of-wrapper', /extra state \(_extra_state\), which/],
    ['neck', /there is neck\.weight \[3, 3, 3, 3\], neck\.bias \[3\]/],
    ['module-custom', /the module is a __main__\.Custom, whose code is not in the file/],
    [
      'module-scaled',
      /in the module conv2\.conv is a __main__\.ScaledConv2d, whose code is not in/,
    ],
    ['module-hooked', /forward hooks hang on the module/],
    ['module-traced', /traced by torch\.fx: the file carries Python source, which was not run/],
  ])('%s: read, with a warning that strict reading does not take', async (name, warning) => {
    expect((await read(name)).warnings).toContainEqual(expect.stringMatching(warning));
    await expect(read(name, { strict: true })).rejects.toMatchObject({ code: 'unsupported' });
  });
});

describe.runIf(python)('what an error proposes works', () => {
  it.each([
    'second-head',
    'second-head-of-logits',
    'second-head-conv',
    'second-head-flat',
    'two-networks',
  ])('%s: the key', async (name) => {
    const key = /`key: '(.+)'`$/.exec((await problem(name)).hint ?? '')?.[1];
    expect(key).toBeDefined();
    const { match, warnings } = await read(name, { key });
    expect(match.numClasses).toBe(10);
    expect(warnings).toEqual([]);
  });

  it.each([
    'collision',
    'collision-of-wrappers',
    'head-in-sequential',
    'head-in-data-parallel',
    'pruned',
    'weight-norm',
    'spectral-norm',
    'parametrized',
    'module-epsilon',
    'module-pool',
  ])('%s: the Python', async (name) => {
    const hint = (await problem(name)).hint ?? '';
    const code = /in Python(?:,[^:]*)?: (.+)$/.exec(hint)?.[1] as string;
    await runPython(python as string, SCRIPT, 'hint', folder, name, code);
    expect((await read('out')).match.numClasses).toBe(10);
  });

  it.each(['collision', 'pruned', 'parametrized', 'module-epsilon'])(
    '%s: inspect proposes the same',
    async (name) => {
      const { message, hint } = await problem(name);
      const { networks } = await inspectCheckpoint(await readFile(join(folder, `${name}.pth`)));
      expect(networks).toMatchObject([{ fits: false, problem: message, hint }]);
      expect(hint).toMatch(/in Python/);
    },
  );
});

it.runIf(python)('other networks are named', { ...SLOW, timeout: 120_000 }, async () => {
  const names = await runPython(python as string, SCRIPT, 'networks', others);
  const known: Record<string, string> = {
    ...{ alexnet: 'AlexNet', convnext_tiny: 'ConvNeXt', densenet121: 'DenseNet' },
    ...{ efficientnet_b0: 'EfficientNet', inception_v3: 'Inception v3', mnasnet0_5: 'MNASNet' },
    ...{ mobilenet_v2: 'MobileNet v2', mobilenet_v3_small: 'MobileNet v3', swin_t: 'Swin' },
    ...{ regnet_y_400mf: 'RegNet', resnet18: 'ResNet', resnext50_32x4d: 'ResNet', vgg11: 'VGG' },
    ...{ shufflenet_v2_x0_5: 'ShuffleNet v2', squeezenet1_0: 'SqueezeNet', vgg11_bn: 'VGG' },
    ...{
      squeezenet1_1: 'SqueezeNet',
      vit_b_32: 'a vision transformer',
      wide_resnet50_2: 'ResNet',
    },
  };
  expect(names.trim().split('\n')).toEqual(Object.keys(known).toSorted());
  for (const [name, network] of Object.entries(known)) {
    const { message } = await problem(name, others);
    expect([name, message]).toEqual([name, expect.stringContaining(`GoogLeNet's but ${network}`)]);
  }
});
