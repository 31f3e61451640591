/** What else users do with a network that is trained: fit, dropout, freezing, state dicts, blocks, memory. */
import * as tf from '@tensorflow/tfjs-core';
import { layers, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { StateDict } from '../../src/checkpoint/tensor/tensor.js';
import type { MappingError } from '../../src/network/mapping-error.js';
import { prepareBackend } from '../../src/runtimes/backends.js';
import {
  type GoogLeNetOptions,
  googlenet,
  googlenetLoss,
  type TrainableGoogLeNet,
} from '../../src/training/index.js';
import { bundledStateDict } from '../helpers/bundled.js';
import { recordOf } from '../helpers/digest.js';
import { SLOW } from '../helpers/tiers.js';

const CLASSES = 3;
const IMAGES = 4;

let images: tf.Tensor4D;
let labels: tf.Tensor1D;

beforeAll(async () => {
  await prepareBackend('wasm');
  images = tf.randomNormal([IMAGES, 15, 15, 3], 0, 1, 'float32', 7);
  labels = tf.tensor1d([0, 1, 2, 1], 'int32');
});

/** A small network, given back when the test is over. */
function small(options: GoogLeNetOptions = {}): TrainableGoogLeNet {
  const net = googlenet({ numClasses: CLASSES, imageSize: 15, seed: 1, ...options });
  onTestFinished(() => net.dispose());
  return net;
}

/** A step as the documentation shows it. */
function step(net: TrainableGoogLeNet, optimizer: tf.Optimizer = tf.train.momentum(0.01, 0.9)) {
  const loss = () => googlenetLoss(net.forward(images, { training: true }), labels);
  optimizer.minimize(loss, false, net.variables);
}

/** What tells two networks apart, by key. */
async function digests(net: TrainableGoogLeNet): Promise<Map<string, string>> {
  return new Map(
    [...(await net.stateDict())].map(([key, tensor]) => [key, recordOf(tensor).sha256]),
  );
}

/** Keys whose tensors are not the same, to the bit. */
async function changed(net: TrainableGoogLeNet, before: ReadonlyMap<string, string>) {
  return [...(await digests(net))]
    .filter(([key, is]) => before.get(key) !== is)
    .map(([key]) => key);
}

test('model.fit takes the step of one’s own loop: dropout, statistics and all', SLOW, async () => {
  const [looped, fitted] = [small(), small()];
  step(looped);
  fitted.model.compile({ optimizer: tf.train.momentum(0.01, 0.9), loss: fitted.losses });
  const truth = tf.oneHot(labels, CLASSES);
  const options = { batchSize: IMAGES, shuffle: false, verbose: 0 } as const;
  await fitted.model.fit(images, [truth, truth, truth], options);
  expect(await changed(fitted, await digests(looped))).toEqual([]);
});

describe('dropout', () => {
  const logitsOf = (net: TrainableGoogLeNet) =>
    tf.tidy(() =>
      Object.values(net.forward(images, { training: true })).map((head) => head.dataSync()),
    );

  test('with a seed is the same whenever it is repeated, and another in each batch', SLOW, () => {
    const [one, same] = [small(), small()];
    const first = logitsOf(one);
    expect(logitsOf(same)).toEqual(first);
    const second = logitsOf(one);
    for (const [head, logits] of second.entries()) expect(logits).not.toEqual(first[head]);
    expect(logitsOf(same)).toEqual(second);
  });

  test('without a seed is another each time, and of probability 0 changes nothing', () => {
    const unseeded = small({ seed: undefined });
    expect(logitsOf(unseeded)).not.toEqual(logitsOf(unseeded));
    const none = small({ seed: undefined, dropout: 0, dropoutAux: 0 });
    expect(logitsOf(none)).toEqual(logitsOf(none));
  });
});

describe('frozen modules', () => {
  test('keep their weights to the bit, while statistics go on and the others are trained', async () => {
    const net = small();
    net.freeze(['conv1', 'inception3a', 'aux2.fc1']);
    const before = await digests(net);
    const optimizer = tf.train.momentum(0.01, 0.9);
    for (let i = 0; i < 2; i++) step(net, optimizer);
    const kept = [...before.keys()].filter(
      (key) => /^(conv1|inception3a|aux2\.fc1)\./.test(key) && !/running|num_batches/.test(key),
    );
    expect(kept.length).toBe(3 + 6 * 3 + 2);
    const moved = new Set(await changed(net, before));
    expect([...before.keys()].filter((key) => !moved.has(key))).toEqual(kept);
  });

  test('are trained again when others are frozen in their place', SLOW, async () => {
    const net = small();
    net.freeze(['conv1']);
    net.freeze([]);
    const before = await digests(net);
    step(net);
    expect(await changed(net, before)).toEqual([...before.keys()]);
  });

  test('are modules of the network', () => {
    expect(() => small().freeze(['conv1', 'inception9a'])).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringMatching(/inception9a/) }),
    );
  });
});

describe('a state dict', () => {
  const HEADS = ['aux1.fc2.weight', 'aux1.fc2.bias', 'aux2.fc2.weight', 'aux2.fc2.bias'];
  let published: StateDict;

  beforeAll(async () => {
    published = await bundledStateDict();
  });

  /** The published one, which is of 1000 classes, with some keys left out and others put in. */
  const without = (pattern: RegExp, ...added: string[]): StateDict => {
    const kept = [...published].filter(([key]) => !pattern.test(key));
    const bias = published.get('fc.bias') as never;
    return new Map([...kept, ...added.map((key) => [key, bias] as [string, never])]);
  };

  async function expectRefusal(
    net: TrainableGoogLeNet,
    stateDict: StateDict,
    lists: { missing?: string[]; unexpected?: string[]; mismatched?: string[] },
  ) {
    const before = await digests(net);
    let error: MappingError | undefined;
    try {
      net.loadStateDict(stateDict);
    } catch (thrown) {
      error = thrown as MappingError;
    }
    const { missing = [], unexpected = [], mismatched = [] } = lists;
    expect(error).toMatchObject({ code: 'mapping', missing, unexpected });
    expect(error?.mismatched.map(({ key }) => key)).toEqual(mismatched);
    expect(await changed(net, before)).toEqual([]);
  }

  test('of other classes is refused, or taken but for the heads', async () => {
    const net = small();
    const heads = [...HEADS, 'fc.weight', 'fc.bias'];
    await expectRefusal(net, published, { mismatched: heads });
    const before = await digests(net);
    net.loadStateDict(published, { newHeads: true });
    const after = await digests(net);
    for (const [key, tensor] of published) {
      const source = heads.includes(key) ? before.get(key) : recordOf(tensor).sha256;
      expect([key, after.get(key)]).toEqual([key, source]);
    }
  });

  test('without auxiliary heads is refused, or taken but for them', SLOW, async () => {
    const net = small();
    const bare = without(/^aux/);
    const aux = [...published.keys()].filter((key) => /^aux/.test(key));
    const missing = aux.filter((key) => !/num_batches/.test(key));
    await expectRefusal(net, bare, { missing, mismatched: ['fc.weight', 'fc.bias'] });
    const before = await digests(net);
    net.loadStateDict(bare, { newHeads: true });
    const kept = [...aux.filter((key) => !/num_batches/.test(key)), 'fc.weight', 'fc.bias'];
    const moved = await changed(net, before);
    expect(kept.filter((key) => moved.includes(key))).toEqual([]);
    expect(moved).toContain('inception5b.branch1.conv.weight');
  });

  test('with auxiliary heads is refused where the network has none, or taken without', async () => {
    const net = small({ auxLogits: false, numClasses: 1000 });
    const aux = [...published.keys()].filter((key) => /^aux/.test(key));
    await expectRefusal(net, published, { unexpected: aux });
    net.loadStateDict(published, { newHeads: true });
    const after = await digests(net);
    for (const [key, digest] of after) {
      expect([key, digest]).toEqual([key, recordOf(published.get(key) as never).sha256]);
    }
  });

  test('that lacks a tensor, has one more, or other kernels is refused', SLOW, async () => {
    const net = small({ auxLogits: false, numClasses: 1000, branch3Kernel: 5 });
    const key = 'inception4b.branch2.0.bn.running_var';
    await expectRefusal(net, without(/^aux|inception4b.branch2.0.bn.running_var/), {
      missing: [key],
    });
    await expectRefusal(net, without(/^aux/, 'fc.scale'), { unexpected: ['fc.scale'] });
    const kernels = [...published.keys()].filter((each) => /branch3\.1\.conv\.weight/.test(each));
    await expectRefusal(net, without(/^aux/), { mismatched: kernels });
  });
});

describe('blocks of one’s own', () => {
  const convolution = (name: string, filters: number, strides: number) =>
    layers.conv2d({ name, filters, strides, kernelSize: 1, activation: 'relu' });
  const blocks: GoogLeNetOptions['blocks'] = {
    conv: (input, { name, outChannels, stride }) =>
      convolution(name, outChannels, stride).apply(input) as SymbolicTensor,
    inception: (input, { name, ch1x1, ch3x3, ch5x5, poolProj }) =>
      convolution(name, ch1x1 + ch3x3 + ch5x5 + poolProj, 1).apply(input) as SymbolicTensor,
    aux: (input, { name, numClasses, dropout }) =>
      layers
        .dense({ name, units: numClasses })
        .apply(
          layers.dropout({ rate: dropout }).apply(layers.flatten().apply(input) as SymbolicTensor),
        ) as SymbolicTensor,
  };

  test('are trained, each parameter of them', SLOW, async () => {
    const net = small({ blocks });
    // A convolution has no weights but kernel and bias: nine blocks, three convolutions, three heads.
    expect(net.variables).toHaveLength(2 * (9 + 3 + 3));
    const before = await Promise.all(net.variables.map((variable) => variable.data()));
    step(net);
    for (const [i, variable] of net.variables.entries()) {
      expect(await variable.data(), variable.name).not.toEqual(before[i]);
    }
  });

  test('without BatchNorm have another dropout in each batch, too', () => {
    const net = small({ blocks });
    const logits = () => net.forward(images, { training: true }).auxLogits1?.dataSync();
    expect(logits()).not.toEqual(logits());
  });

  test('may be of one kind alone, and then cannot be what PyTorch’s keys stand for', async () => {
    const net = small({ blocks: { aux: blocks.aux } });
    step(net);
    const refused = expect.objectContaining({ code: 'unsupported', hint: expect.any(String) });
    expect(() => net.loadStateDict(new Map())).toThrow(refused);
    await expect(net.stateDict()).rejects.toThrow(refused);
    await expect(net.toFiles()).rejects.toThrow(refused);
  });
});

describe('memory', () => {
  test('is the same after each step, and given back at the end', SLOW, async () => {
    const optimizer = tf.train.momentum(0.01, 0.9);
    const before = tf.memory().numTensors;
    const net = googlenet({ numClasses: CLASSES, imageSize: 15, seed: 1 });
    const accumulators = net.variables.length;
    const built = tf.memory().numTensors;
    step(net, optimizer);
    expect(tf.memory().numTensors).toBe(built + accumulators);
    step(net, optimizer);
    tf.dispose([net.forward(images), Object.values(net.evaluate(images))]);
    await net.stateDict();
    expect(tf.memory().numTensors).toBe(built + accumulators);
    net.dispose();
    expect(tf.memory().numTensors).toBe(before + accumulators);
    optimizer.dispose();
  });
});

test('BatchNorm with one value a channel is refused, as PyTorch refuses it', () => {
  const net = small();
  const one = tf.slice4d(images, [0, 0, 0, 0], [1, -1, -1, -1]);
  expect(() => net.forward(one, { training: true })).toThrow(
    expect.objectContaining({
      code: 'usage',
      message: expect.stringMatching(/inception4a\.\S+\.bn .*\[1, 1, 1, \d+\]/),
    }),
  );
  expect(net.forward(one).shape).toEqual([1, CLASSES]);
});

test.each([{ numClasses: 0 }, { numClasses: 2.5 }, { imageSize: 14 }, { imageSize: 64.5 }])(
  '%o is refused',
  (options) => {
    expect(() => googlenet(options)).toThrow(expect.objectContaining({ code: 'usage' }));
  },
);
