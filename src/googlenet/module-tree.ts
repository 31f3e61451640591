import {
  AUX,
  AUX_HEADS,
  type AuxHead,
  auxConv,
  BATCH_NORM_EPS,
  type Branch3Kernel,
  type ConvBlock,
  FEATURES,
  type InceptionBlock,
  inceptionBranches,
  type PoolBlock,
  STAGES,
} from './architecture.js';

/** The tree of torchvision's modules, in the order in which PyTorch registers and names them. */

/** A module of the tree. Leaves have a description, the others children. */
export interface Module {
  readonly name: string;
  readonly type: string;
  readonly text?: string;
  readonly parameters?: number;
  readonly children?: readonly Module[];
}

export interface TreeOptions {
  readonly branch3Kernel: Branch3Kernel;
  readonly numClasses: number;
  /** Number of classes of each auxiliary head; undefined when the checkpoint has none. */
  readonly auxClasses?: readonly number[] | undefined;
}

/** The network itself, which has no name. */
export function buildTree({ branch3Kernel, numClasses, auxClasses }: TreeOptions): Module {
  const stages = STAGES.map((stage): Module => {
    if (stage.type === 'conv') return basicConv(stage, stage.name);
    if (stage.type === 'pool') return maxPool(stage, 0);
    return inception(stage, branch3Kernel);
  });
  const heads = (auxClasses ?? []).map((classes, i) => auxHead(i, classes));
  const tail: Module[] = [
    { name: 'avgpool', type: 'AdaptiveAvgPool2d', text: 'output_size=(1, 1)' },
    dropout(0.2),
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
  const bn = `${outChannels}, eps=${BATCH_NORM_EPS}, momentum=0.1, affine=True, track_running_stats=True`;
  return {
    name,
    type: 'BasicConv2d',
    children: [
      { name: 'conv', type: 'Conv2d', text, parameters: inChannels * outChannels * kernel ** 2 },
      { name: 'bn', type: 'BatchNorm2d', text: bn, parameters: 2 * outChannels },
    ],
  };
}

function maxPool({ name, kernel, stride }: PoolBlock, padding: number): Module {
  const text = `kernel_size=${kernel}, stride=${stride}, padding=${padding}, dilation=1, ceil_mode=True`;
  return { name, type: 'MaxPool2d', text };
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

function auxHead(index: number, classes: number): Module {
  const head = AUX_HEADS[index] as AuxHead;
  const features = AUX.convChannels * AUX.poolSize ** 2;
  return {
    name: head.name,
    type: 'InceptionAux',
    children: [
      basicConv(auxConv(head), 'conv'),
      linear('fc1', features, AUX.hidden),
      linear('fc2', AUX.hidden, classes),
      dropout(0.7),
    ],
  };
}

function dropout(p: number): Module {
  return { name: 'dropout', type: 'Dropout', text: `p=${p}, inplace=False` };
}

function linear(name: string, features: number, out: number): Module {
  const text = `in_features=${features}, out_features=${out}, bias=True`;
  return { name, type: 'Linear', text, parameters: out * (features + 1) };
}
