import {
  AUX,
  AUX_HEADS,
  type AuxHead,
  auxConv,
  BATCH_NORM_EPS,
  BATCH_NORM_MOMENTUM,
  type Branch3Kernel,
  type ConvBlock,
  DROPOUT,
  FEATURES,
  type InceptionBlock,
  inceptionBranches,
  type PoolBlock,
  STAGES,
} from './architecture.js';

/** The tree of torchvision's modules, in the order in which PyTorch registers and names them. */

/** A module of the tree. Leaves have a description and a measure, the others children. */
export interface Module {
  readonly name: string;
  readonly type: string;
  readonly text?: string;
  readonly parameters?: number;
  readonly measure?: Measure;
  readonly children?: readonly Module[];
}

/** Channels, height and width, or features: a tensor's shape without the images before it. */
export type FeatureShape = readonly number[];

/** What a leaf makes of an input; multiply-accumulates are counted in convolutions and linear layers. */
export type Measure = (input: FeatureShape) => {
  readonly output: FeatureShape;
  readonly macs: number;
};

export interface TreeOptions {
  readonly branch3Kernel: Branch3Kernel;
  readonly numClasses: number;
  /** Number of classes of each auxiliary head; undefined when the checkpoint has none. */
  readonly auxClasses?: readonly number[] | undefined;
  /** Probabilities of dropout; default: torchvision's. */
  readonly dropout?: number | undefined;
  readonly dropoutAux?: number | undefined;
}

/** The network itself, which has no name. */
export function buildTree(options: TreeOptions): Module {
  const { branch3Kernel, numClasses, auxClasses } = options;
  const { dropout: p = DROPOUT.main, dropoutAux = DROPOUT.aux } = options;
  const stages = STAGES.map((stage): Module => {
    if (stage.type === 'conv') return basicConv(stage, stage.name);
    if (stage.type === 'pool') return maxPool(stage, 0);
    return inception(stage, branch3Kernel);
  });
  const heads = (auxClasses ?? []).map((classes, i) => auxHead(i, classes, dropoutAux));
  const tail: Module[] = [
    {
      name: 'avgpool',
      type: 'AdaptiveAvgPool2d',
      text: 'output_size=(1, 1)',
      measure: ([channels = 0]) => ({ output: [channels, 1, 1], macs: 0 }),
    },
    dropout(p),
    linear('fc', FEATURES, numClasses),
  ];
  return { name: '', type: 'GoogLeNet', children: [...stages, ...heads, ...tail] };
}

function basicConv(
  { inChannels, outChannels, kernel, stride, padding }: ConvBlock,
  name: string,
): Module {
  const padded = padding > 0 ? `, padding=(${padding}, ${padding})` : '';
  const text = `${inChannels}, ${outChannels}, kernel_size=(${kernel}, ${kernel}), stride=(${stride}, ${stride})${padded}, bias=False`;
  const bn = `${outChannels}, eps=${BATCH_NORM_EPS}, momentum=${BATCH_NORM_MOMENTUM}, affine=True, track_running_stats=True`;
  const weights = inChannels * outChannels * kernel ** 2;
  const measure: Measure = ([, ...sides]) => {
    const out = sides.map((side) => Math.floor((side + 2 * padding - kernel) / stride) + 1);
    return { output: [outChannels, ...out], macs: weights * product(out) };
  };
  return {
    name,
    type: 'BasicConv2d',
    children: [
      { name: 'conv', type: 'Conv2d', text, parameters: weights, measure },
      {
        name: 'bn',
        type: 'BatchNorm2d',
        text: bn,
        parameters: 2 * outChannels,
        measure: (input) => ({ output: input, macs: 0 }),
      },
    ],
  };
}

function maxPool({ name, kernel, stride }: PoolBlock, padding: number): Module {
  const text = `kernel_size=${kernel}, stride=${stride}, padding=${padding}, dilation=1, ceil_mode=True`;
  const measure: Measure = ([channels = 0, ...sides]) => {
    const out = sides.map((side) => Math.ceil((side + 2 * padding - kernel) / stride) + 1);
    return { output: [channels, ...out], macs: 0 };
  };
  return { name, type: 'MaxPool2d', text, measure };
}

function inception(block: InceptionBlock, branch3Kernel: Branch3Kernel): Module {
  const branches = inceptionBranches(block, branch3Kernel).map((convs, i): Module => {
    const name = `branch${i + 1}`;
    if (i === 0) return basicConv(convs[0] as ConvBlock, name);
    const parts = convs.map((conv) =>
      basicConv(conv, conv.name.slice(conv.name.lastIndexOf('.') + 1)),
    );
    const pool = i === 3 ? [maxPool({ name: '0', kernel: 3, stride: 1 }, 1)] : [];
    return { name, type: 'Sequential', children: [...pool, ...parts] };
  });
  return { name: block.name, type: 'Inception', children: branches };
}

function auxHead(index: number, classes: number, p: number): Module {
  const head = AUX_HEADS[index] as AuxHead;
  const features = AUX.convChannels * AUX.poolSize ** 2;
  return {
    name: head.name,
    type: 'InceptionAux',
    children: [
      basicConv(auxConv(head), 'conv'),
      linear('fc1', features, AUX.hidden),
      linear('fc2', AUX.hidden, classes),
      dropout(p),
    ],
  };
}

function dropout(p: number): Module {
  const text = Number.isInteger(p) ? p.toFixed(1) : String(p);
  const measure: Measure = (input) => ({ output: [product(input)], macs: 0 });
  return { name: 'dropout', type: 'Dropout', text: `p=${text}, inplace=False`, measure };
}

function linear(name: string, features: number, out: number): Module {
  const text = `in_features=${features}, out_features=${out}, bias=True`;
  const measure: Measure = () => ({ output: [out], macs: features * out });
  return { name, type: 'Linear', text, parameters: out * (features + 1), measure };
}

function product(shape: FeatureShape): number {
  return shape.reduce((result, size) => result * size, 1);
}
