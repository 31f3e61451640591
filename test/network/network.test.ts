import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import '@tensorflow/tfjs-backend-cpu';
import { io, setBackend, tensor, transpose } from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/read-checkpoint.js';
import { listTensors } from '../../src/checkpoint/state-dict/find-state-dict.js';
import { toFloat32 } from '../../src/checkpoint/tensor/float32.js';
import { fold, prune } from '../../src/network/fold.js';
import * as F from '../../src/network/functional.js';
import { stateDictEntries } from '../../src/network/keys.js';
import { adaptiveAvgPool2d, conv2d, dropout, maxPool2d } from '../../src/network/layers.js';
import { type Module, module, sequential } from '../../src/network/module.js';
import { fillTensors } from '../../src/network/plan.js';
import { treeLines } from '../../src/network/print.js';
import { trace } from '../../src/network/trace.js';
import { describeKeras } from '../../src/targets/keras/lower.js';
import { findPython, runPython } from '../helpers/python.js';

/*
 * What network/ and targets/ make of a network is not GoogLeNet's alone: another of torchvision's, written
 * as its file of networks/ would be, against a live PyTorch.
 */

const python = await findPython('another network than GoogLeNet');

const relu = (): Module => ({
  ...module('ReLU', {}, (x) => F.relu(x)),
  extra: 'inplace=True',
});

function fire(inputs: number, squeeze: number, expand1x1: number, expand3x3: number): Module {
  return module(
    'Fire',
    {
      squeeze: conv2d(inputs, squeeze, 1),
      squeeze_activation: relu(),
      expand1x1: conv2d(squeeze, expand1x1, 1),
      expand1x1_activation: relu(),
      expand3x3: conv2d(squeeze, expand3x3, 3, { padding: 1 }),
      expand3x3_activation: relu(),
    },
    (x, m) => {
      const squeezed = m.squeeze_activation(m.squeeze(x));
      return F.cat(
        m.expand1x1_activation(m.expand1x1(squeezed)),
        m.expand3x3_activation(m.expand3x3(squeezed)),
      );
    },
  );
}

function squeezenet(): Module {
  const pool = () => maxPool2d(3, { stride: 2, ceilMode: true });
  return module(
    'SqueezeNet',
    {
      features: sequential(
        conv2d(3, 64, 3, { stride: 2 }),
        relu(),
        pool(),
        fire(64, 16, 64, 64),
        fire(128, 16, 64, 64),
        pool(),
        fire(128, 32, 128, 128),
        fire(256, 32, 128, 128),
        pool(),
        fire(256, 48, 192, 192),
        fire(384, 48, 192, 192),
        fire(384, 64, 256, 256),
        fire(512, 64, 256, 256),
      ),
      classifier: sequential(dropout(0.5), conv2d(512, 1000, 1), relu(), adaptiveAvgPool2d(1)),
    },
    (x, m) => F.flatten(m.classifier(m.features(x))),
  );
}

describe.skipIf(python === undefined)('SqueezeNet 1.1', () => {
  let folder: string;
  let file: string;
  let truth: { readonly print: string; readonly keys: unknown };
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pth2tfjs-network-'));
    file = join(folder, 'squeezenet.pth');
    truth = JSON.parse(await runPython(python as string, 'test/network/network.py', file));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('has the keys, shapes and printed tree that PyTorch has', () => {
    const entries = [...stateDictEntries(squeezenet())];
    expect(entries.map(([key, { shape }]) => [key, shape])).toEqual(truth.keys);
    const lines = treeLines(squeezenet()).map(({ text }) => text);
    expect(lines.join('\n')).toBe(truth.print);
  });

  test('gives its logits as layers of TensorFlow.js', async () => {
    const saved = listTensors((await readCheckpoint(readFileSync(file))).value);
    const of = (name: string) => saved.get(name) as NonNullable<ReturnType<typeof saved.get>>;
    const stateDict = new Map(
      [...saved].flatMap(([key, view]) =>
        key.startsWith('state_dict.') ? [[key.slice('state_dict.'.length), view] as const] : [],
      ),
    );
    const graph = fold(prune(trace(squeezenet(), [3, 65, 65])));
    const { topology, tensors } = describeKeras(graph, 'squeezenet');
    const { data } = fillTensors(tensors, stateDict);
    await setBackend('cpu');
    const model = await loadLayersModel(
      io.fromMemory({
        modelTopology: topology as object,
        weightSpecs: tensors.map(({ name, shape }) => ({
          name,
          shape: [...shape],
          dtype: 'float32',
        })),
        weightData: data.buffer as ArrayBuffer,
      }),
    );
    const images = transpose(tensor(toFloat32(of('input')), [2, 3, 65, 65]), [0, 2, 3, 1]);
    const actual = await (model.predict(images) as typeof images).data();
    const expected = toFloat32(of('logits'));
    const largest = Math.max(...expected.map(Math.abs));
    expect(largest).toBeGreaterThan(0.1);
    // Two float32 implementations add in other orders: some 1e-7 for each of a dozen layers.
    expect(Math.max(...expected.map((each, i) => Math.abs(each - Number(actual[i]))))).toBeLessThan(
      1e-5 * largest,
    );
  });
});
