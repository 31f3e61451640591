/** The loss of labels that users hand over, right ones and wrong ones, beside PyTorch's. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { prepareBackend } from '../../src/runtimes/backends.js';
import { crossEntropy, googlenet, googlenetLoss } from '../../src/training/index.js';
import { findPython, runPython } from '../helpers/python.js';
import { probeWebGPU, VULKAN_ENV } from '../helpers/vulkan.js';

const LOGITS = [
  [1, 2, 3],
  [0, 1, 0],
  [2, -1, 0.5],
];
const OTHERS = [
  [0.25, -3, 1],
  [40, 0, -40],
  [0, 0, 0],
];

interface Case {
  readonly logits: readonly (readonly number[])[];
  readonly labels: readonly number[] | readonly (readonly number[])[];
}

type Answer =
  | { readonly loss: number | null; readonly gradient: readonly number[] }
  | { readonly error: string };

/** What PyTorch takes. */
const FAIR: Readonly<Record<string, Case>> = {
  'classes, each of them': { logits: LOGITS, labels: [0, 1, 2] },
  'others of them': { logits: OTHERS, labels: [2, 2, 0] },
  'one that is ignored': { logits: LOGITS, labels: [0, -100, 2] },
  'two that are ignored': { logits: OTHERS, labels: [-100, 1, -100] },
  'nothing but ignored ones': { logits: LOGITS, labels: [-100, -100, -100] },
  'a single class': { logits: [[3], [-2]], labels: [0, 0] },
  'one-hot labels': {
    logits: LOGITS,
    labels: [
      [0, 0, 1],
      [1, 0, 0],
      [0, 1, 0],
    ],
  },
  'smoothed labels': {
    logits: OTHERS,
    labels: [
      [0.9, 0.05, 0.05],
      [0.05, 0.9, 0.05],
      [0.25, 0.25, 0.5],
    ],
  },
};

/** What PyTorch refuses. */
const WRONG: Readonly<Record<string, Case>> = {
  'an index above the last class': { logits: LOGITS, labels: [0, 1, 3] },
  'an index far above': { logits: LOGITS, labels: [0, 2 ** 30, 1] },
  'a negative index': { logits: LOGITS, labels: [0, -1, 1] },
  'the one beside -100': { logits: LOGITS, labels: [-99, 1, 1] },
  'a wrong one among ignored ones': { logits: LOGITS, labels: [-100, -100, 3] },
  'the second class of one': { logits: [[3], [-2]], labels: [0, 1] },
  'a fraction': { logits: LOGITS, labels: [0, 1.5, 2] },
  'fewer labels than images': { logits: LOGITS, labels: [0, 1] },
  'one label for all images': { logits: LOGITS, labels: [1] },
  'probabilities of other classes': {
    logits: LOGITS,
    labels: [
      [0.5, 0.5],
      [0.5, 0.5],
      [0.5, 0.5],
    ],
  },
};

const python = await findPython('losses against a live PyTorch');

function ours({ logits, labels }: Case): { loss: number | null; gradient: number[] } {
  const truth = tf.tensor(labels as number[], undefined, 'float32');
  const { value, grad } = tf.valueAndGrad((x: tf.Tensor) => crossEntropy(truth, x as never))(
    tf.tensor2d(logits as number[][]),
  );
  const loss = value.dataSync()[0] as number;
  return { loss: Number.isNaN(loss) ? null : loss, gradient: [...grad.dataSync()] };
}

/** A few roundings of float32, which PyTorch's float64 has not. */
const ROUNDING = 2e-6;

const CASES = { ...FAIR, ...WRONG };
let theirs: ReadonlyMap<string, Answer> = new Map();

beforeAll(async () => {
  if (python === undefined) return;
  const json = JSON.stringify(Object.values(CASES));
  const answers = JSON.parse(await runPython(python, 'test/training/loss-oracle.py', json));
  theirs = new Map(Object.keys(CASES).map((name, i) => [name, answers[i]]));
});

describe.each(['wasm', 'cpu'] as const)('the loss on %s', (backend) => {
  beforeAll(async () => {
    await prepareBackend(backend);
  });

  // Made once with torch 1.13: nn.CrossEntropyLoss()(logits, labels).
  test.each([
    [[0, -100, 2], 2.0745],
    [[0, 1, 2], 1.5668],
  ])('of %j is PyTorch’s', (labels, expected) => {
    expect(ours({ logits: LOGITS, labels }).loss).toBeCloseTo(expected, 4);
  });

  describe.skipIf(python === undefined)('beside PyTorch', () => {
    test.each(Object.entries(FAIR))('of %s, and its gradient', (name, each) => {
      const expected = theirs.get(name) as { loss: number | null; gradient: number[] };
      const { loss, gradient } = ours(each);
      if (expected.loss === null) expect(loss).toBeNull();
      else expect(Math.abs((loss as number) - expected.loss)).toBeLessThan(ROUNDING * 40);
      expect(gradient).toHaveLength(expected.gradient.length);
      for (const [i, value] of gradient.entries()) {
        // Where nothing counts, PyTorch's gradient is 0, or -0.
        expect(Math.abs(value - (expected.gradient[i] as number))).toBeLessThan(ROUNDING);
      }
    });

    test.each(Object.entries(WRONG))('of %s is an error in both', (name, each) => {
      expect(theirs.get(name)).toHaveProperty('error');
      expect(() => ours(each)).toThrow(
        expect.objectContaining({ code: 'usage', hint: expect.any(String) }),
      );
    });
  });

  test.each<[string, number[][]]>([
    [
      'zeros alone, as tf.oneHot gives for what is no class',
      [
        [1, 0, 0],
        [0, 0, 0],
        [0, 0, 1],
      ],
    ],
    [
      'two classes at once',
      [
        [1, 0, 0],
        [1, 1, 0],
        [0, 0, 1],
      ],
    ],
    [
      'a negative probability',
      [
        [1, 0, 0],
        [1.5, -0.5, 0],
        [0, 0, 1],
      ],
    ],
    [
      'what is no number',
      [
        [1, 0, 0],
        [Number.NaN, 0, 1],
        [0, 0, 1],
      ],
    ],
  ])('of %s is an error', (_, labels) => {
    expect(() => ours({ logits: LOGITS, labels })).toThrow(/image 1 of the batch are no prob/);
  });

  test('of the label NaN is an error', () => {
    expect(() => ours({ logits: LOGITS, labels: [0, Number.NaN, 1] })).toThrow(/the label NaN/);
  });

  test('takes labels as a column, and whole numbers of any type', () => {
    const { loss } = ours({ logits: LOGITS, labels: [0, 1, 2] });
    for (const dtype of ['int32', 'float32'] as const) {
      const column = tf.tensor2d([0, 1, 2], [3, 1], dtype);
      const [value] = tf.tidy(() => crossEntropy(column, tf.tensor2d(LOGITS)).dataSync());
      column.dispose();
      expect(value).toBe(loss);
    }
  });

  test('does not mind logits of -Infinity for other classes', () => {
    const { loss, gradient } = ours({ logits: [[0, -Infinity, 0]], labels: [2] });
    expect(loss).toBeCloseTo(Math.log(2), 6);
    expect(gradient.map((value) => Math.round(value * 1e6) / 1e6)).toEqual([0.5, 0, -0.5]);
  });
});

describe('labels of another range', () => {
  beforeAll(async () => {
    await prepareBackend('wasm');
  });
  const logits = () => tf.tensor2d(LOGITS);

  test('are an error in googlenetLoss, for each head, and ignored ones as in crossEntropy', () => {
    const narrow = () => tf.tensor2d(LOGITS.map(([a = 0, b = 0]) => [a, b]));
    const outputs = () => ({ logits: logits(), auxLogits2: logits(), auxLogits1: narrow() });
    const loss = (labels: number[]) =>
      tf.tidy(() => googlenetLoss(outputs(), tf.tensor1d(labels, 'int32')).dataSync()[0]);
    expect(() => loss([0, 1, 3])).toThrow(/image 2 of the batch has the label 3, not a whole/);
    expect(() => loss([0, 1, 2])).toThrow(/has the label 2, not a whole number from 0 to 1/);
    const heads = [logits(), narrow()].map((head) =>
      tf.tidy(() => crossEntropy(tf.tensor1d([0, -100, 1]), head).dataSync()[0] as number),
    ) as [number, number];
    expect(loss([0, -100, 1])).toBeCloseTo(heads[0] * 1.3 + heads[1] * 0.3, 5);
  });

  test('say how a network of one class is trained', () => {
    const one = tf.tensor2d([[3], [-2]]);
    const error = expect.objectContaining({
      message: expect.stringMatching(/has the label 1, not 0, the only class/),
      hint: expect.stringMatching(/tf\.losses\.sigmoidCrossEntropy/),
    });
    expect(() => crossEntropy(tf.tensor2d([[0], [1]]), one)).toThrow(error);
    // As the hint says; BCEWithLogitsLoss of torch 1.13 gives 2.5878.
    const [loss] = tf.losses.sigmoidCrossEntropy(tf.tensor2d([[0], [1]]), one).dataSync();
    expect(loss).toBeCloseTo(2.5878, 4);
  });

  test('make fit fail, and nothing is learned from them', async () => {
    const net = googlenet({ numClasses: 3, imageSize: 15, seed: 1, auxLogits: false });
    net.model.compile({ optimizer: tf.train.sgd(0.01), loss: net.losses });
    const images = tf.randomNormal([4, 15, 15, 3], 0, 1, 'float32', 7);
    const train = (labels: number[]) =>
      net.model.fit(images, tf.oneHot(tf.tensor1d(labels, 'int32'), 3), { verbose: 0 });
    const before = await net.model.getLayer('fc').getWeights()[0]?.data();
    await expect(train([0, 1, 3, 2])).rejects.toMatchObject({ code: 'usage' });
    await expect(train([0, 1, -100, 2])).rejects.toMatchObject({ code: 'usage' });
    expect(await net.model.getLayer('fc').getWeights()[0]?.data()).toEqual(before);
    net.dispose();
  });
});

describe.skipIf(!probeWebGPU().found)('labels that a GPU has computed', () => {
  beforeAll(async () => {
    Object.assign(process.env, VULKAN_ENV);
    const { stop } = await prepareBackend('webgpu');
    // Else TensorFlow.js computes what is small on the processor.
    tf.env().set('WEBGPU_CPU_FORWARD', false);
    return async () => {
      await stop();
    };
  });

  const lossOf = async (labels: tf.Tensor) => {
    const logits = tf.tensor2d(LOGITS);
    return (await crossEntropy(labels, logits).data())[0] as number;
  };
  const computed = (values: number[]) => tf.add(tf.tensor1d(values), 1);

  test('cannot be read at once: those out of range make the loss NaN', async () => {
    expect(await lossOf(computed([-1, 0, 2]))).toBeNaN();
    expect(await lossOf(computed([-2, 0, 1]))).toBeNaN();
    expect(await lossOf(computed([-1, 0.5, 1]))).toBeNaN();
    expect(await lossOf(computed([-101, -101, -101]))).toBeNaN();
    expect(await lossOf(tf.oneHot(tf.cast(computed([-1, 0, 2]), 'int32'), 3))).toBeNaN();
  });

  test('in range give the same as on the processor', async () => {
    expect(await lossOf(computed([-1, 0, 1]))).toBeCloseTo(1.5668, 4);
    expect(await lossOf(computed([-1, -101, 1]))).toBeCloseTo(2.0745, 4);
    expect(await lossOf(tf.oneHot(tf.cast(computed([-1, 0, 1]), 'int32'), 3))).toBeCloseTo(
      1.5668,
      4,
    );
  });

  test('are an error as long as the host has them', async () => {
    await expect(lossOf(tf.tensor1d([0, 1, 3]))).rejects.toMatchObject({ code: 'usage' });
  });
});
