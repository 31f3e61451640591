import { IMAGENET_MEAN, IMAGENET_STD } from '../image/imagenet.js';
import * as F from '../network/functional.js';
import * as nn from '../network/layers.js';
import { type Module, module, sequential } from '../network/module.js';
import type { Network, NetworkOptions } from '../network/network.js';
import { VARIANTS } from './variants.js';

/**
 * torchvision's GoogLeNet, after "Going Deeper with Convolutions" (Szegedy et al., 2014), with a BatchNorm in
 * place of each convolution's bias. Source: torchvision/models/googlenet.py.
 */

/** Side of branch3's second kernel: torchvision has 3 where the paper has 5 (pytorch/vision#906). */
export type Branch3Kernel = (typeof VARIANTS.googlenet.branch3Kernel)[number];

/** The three kinds of block; callers may put their own in their place. */
export interface Blocks {
  readonly conv: typeof basicConv2d;
  readonly inception: typeof inception;
  readonly aux: typeof inceptionAux;
}

/** What a state dict decides of the network, besides its classes. */
export type GoogLeNetVariant = { readonly branch3Kernel: Branch3Kernel };

/** Defaults: 1000 classes, no auxiliary heads, branch3 of 3, transform_input off, {@link DROPOUT}. */
export interface GoogLeNetOptions extends NetworkOptions, Partial<GoogLeNetVariant> {
  readonly blocks?: Partial<Blocks>;
}

/**
 * `transform_input` turns ImageNet's normalisation into [-1, 1], as the weights that came from TensorFlow
 * expect: `x * scale[c] + offset[c]`, before the first convolution pads with zeros.
 */
export const TRANSFORM_INPUT = {
  scale: IMAGENET_STD.map((std) => std / 0.5),
  offset: IMAGENET_MEAN.map((mean) => (mean - 0.5) / 0.5),
} as const;

/** The probabilities with which dropout zeroes a feature, before `fc` and in the auxiliary heads. */
export const DROPOUT = { main: 0.2, aux: 0.7 } as const;

/** Outputs: the logits, and with auxiliary heads those of aux2 and of aux1, as in GoogLeNetOutputs. */
export function googlenet(options: GoogLeNetOptions = {}): Module {
  const { numClasses = 1000, auxClasses, transformInput = false, branch3Kernel = 3 } = options;
  const { dropout: p = DROPOUT.main, dropoutAux = DROPOUT.aux, blocks = {} } = options;
  const { conv = basicConv2d, inception: block = inception, aux = inceptionAux } = blocks;
  return module(
    'GoogLeNet',
    {
      conv1: conv(3, 64, 7, { stride: 2, padding: 3 }),
      maxpool1: nn.maxPool2d(3, { stride: 2, ceilMode: true }),
      conv2: conv(64, 64, 1),
      conv3: conv(64, 192, 3, { padding: 1 }),
      maxpool2: nn.maxPool2d(3, { stride: 2, ceilMode: true }),
      inception3a: block(192, 64, 96, 128, 16, 32, 32, branch3Kernel),
      inception3b: block(256, 128, 128, 192, 32, 96, 64, branch3Kernel),
      maxpool3: nn.maxPool2d(3, { stride: 2, ceilMode: true }),
      inception4a: block(480, 192, 96, 208, 16, 48, 64, branch3Kernel),
      inception4b: block(512, 160, 112, 224, 24, 64, 64, branch3Kernel),
      inception4c: block(512, 128, 128, 256, 24, 64, 64, branch3Kernel),
      inception4d: block(512, 112, 144, 288, 32, 64, 64, branch3Kernel),
      inception4e: block(528, 256, 160, 320, 32, 128, 128, branch3Kernel),
      maxpool4: nn.maxPool2d(2, { stride: 2, ceilMode: true }),
      inception5a: block(832, 256, 160, 320, 32, 128, 128, branch3Kernel),
      inception5b: block(832, 384, 192, 384, 48, 128, 128, branch3Kernel),
      aux1: auxClasses && aux(512, auxClasses[0], dropoutAux),
      aux2: auxClasses && aux(528, auxClasses[1], dropoutAux),
      avgpool: nn.adaptiveAvgPool2d(1),
      dropout: nn.dropout(p),
      fc: nn.linear(1024, numClasses),
    },
    (input, m) => {
      let x = transformInput ? F.affine(input, 'transform_input', TRANSFORM_INPUT) : input;
      x = m.conv1(x);
      x = m.maxpool1(x);
      x = m.conv2(x);
      x = m.conv3(x);
      x = m.maxpool2(x);
      x = m.inception3a(x);
      x = m.inception3b(x);
      x = m.maxpool3(x);
      x = m.inception4a(x);
      const aux1 = auxClasses && m.aux1(x);
      x = m.inception4b(x);
      x = m.inception4c(x);
      x = m.inception4d(x);
      const aux2 = auxClasses && m.aux2(x);
      x = m.inception4e(x);
      x = m.maxpool4(x);
      x = m.inception5a(x);
      x = m.inception5b(x);
      x = m.avgpool(x);
      x = m.dropout(F.flatten(x));
      x = m.fc(x);
      return aux1 && aux2 ? [x, aux2, aux1] : x;
    },
  );
}

/** torchvision's BasicConv2d: convolution without bias, BatchNorm, ReLU. */
export function basicConv2d(
  inChannels: number,
  outChannels: number,
  kernel: number,
  options: nn.ConvOptions = {},
): Module {
  return module(
    'BasicConv2d',
    {
      conv: nn.conv2d(inChannels, outChannels, kernel, { ...options, bias: false }),
      bn: nn.batchNorm2d(outChannels, { eps: 0.001 }),
    },
    (x, m) => F.relu(m.bn(m.conv(x))),
  );
}

/** torchvision's Inception: four branches over one input, concatenated by channel. */
export function inception(
  inChannels: number,
  ch1x1: number,
  ch3x3red: number,
  ch3x3: number,
  ch5x5red: number,
  ch5x5: number,
  poolProj: number,
  kernel: Branch3Kernel,
): Module {
  return module(
    'Inception',
    {
      branch1: basicConv2d(inChannels, ch1x1, 1),
      branch2: sequential(
        basicConv2d(inChannels, ch3x3red, 1),
        basicConv2d(ch3x3red, ch3x3, 3, { padding: 1 }),
      ),
      branch3: sequential(
        basicConv2d(inChannels, ch5x5red, 1),
        basicConv2d(ch5x5red, ch5x5, kernel, { padding: (kernel - 1) / 2 }),
      ),
      branch4: sequential(
        nn.maxPool2d(3, { stride: 1, padding: 1, ceilMode: true }),
        basicConv2d(inChannels, poolProj, 1),
      ),
    },
    (x, m) => F.cat(m.branch1(x), m.branch2(x), m.branch3(x), m.branch4(x)),
  );
}

/** torchvision's InceptionAux: an auxiliary head, which only training uses. */
export function inceptionAux(inChannels: number, numClasses: number, p: number): Module {
  return module(
    'InceptionAux',
    {
      conv: basicConv2d(inChannels, 128, 1),
      fc1: nn.linear(2048, 1024),
      fc2: nn.linear(1024, numClasses),
      dropout: nn.dropout(p),
    },
    (x, m) => {
      const pooled = F.flatten(m.conv(F.adaptiveAvgPool2d(x, 4)));
      return m.fc2(m.dropout(F.relu(m.fc1(pooled))));
    },
  );
}

export const GOOGLENET: Network<GoogLeNetVariant> = {
  id: 'googlenet',
  name: 'GoogLeNet',
  build: googlenet,
  variant: (shapeOf) => {
    const side = shapeOf('inception3a.branch3.1.conv.weight')?.[2];
    return { branch3Kernel: side === 5 ? 5 : 3 };
  },
  variants: VARIANTS.googlenet,
  pickledAs: /^torchvision\.models\..*GoogLeNet$/,
  imageSizes: { standard: 224, min: 15, max: 4096 },
  official: [{ sha256Prefix: '1378be20', bytes: 52_147_035, transformInput: true }],
};
