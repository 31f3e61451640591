/** Every operation that is written to ONNX, in a network that is none of ours, beside PyTorch in float64. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/read-checkpoint.js';
import { listTensors } from '../../src/checkpoint/state-dict/find-state-dict.js';
import { fold, prune } from '../../src/network/fold.js';
import * as F from '../../src/network/functional.js';
import * as nn from '../../src/network/layers.js';
import { type Module, module } from '../../src/network/module.js';
import { fillTensors } from '../../src/network/plan.js';
import { trace } from '../../src/network/trace.js';
import { numel } from '../../src/numbers/shape.js';
import { encodeModel } from '../../src/targets/onnx/encode.js';
import { describeOnnx } from '../../src/targets/onnx/lower.js';
import { temporaryFolder } from '../helpers/cli.js';
import { findOnnx, findPython, runPython } from '../helpers/python.js';

const python = await findPython('the operations of ONNX beside PyTorch');
const onnx = await findOnnx('the operations of ONNX in onnxruntime');
const folder = temporaryFolder();

/** The network of onnx-operators.py. */
function odd(): Module {
  return module(
    'Odd',
    {
      norm: nn.batchNorm2d(3, { eps: 1e-3 }),
      grouped: nn.conv2d(3, 6, 3, { stride: 2, padding: 1, groups: 3 }),
      pool: nn.maxPool2d(3, { stride: 2, padding: 1, ceilMode: true }),
      conv: nn.conv2d(6, 4, 1, { bias: false }),
      bn: nn.batchNorm2d(4),
      depthwise: nn.conv2d(4, 4, 3, { padding: 1, groups: 4, bias: false }),
      bn2: nn.batchNorm2d(4),
      fc1: nn.linear(200, 7, { bias: false }),
      fc2: nn.linear(7, 5),
    },
    (input, m) => {
      let x = m.norm(input);
      x = m.pool(F.relu(m.grouped(x)));
      x = F.relu(m.bn(m.conv(x)));
      x = F.cat(m.bn2(m.depthwise(x)), x);
      return m.fc2(F.relu(m.fc1(F.flatten(x))));
    },
  );
}

/** A few roundings of float32 on sums of at most 200 products. */
const BOUND = 2e-6;

test.skipIf(python === undefined || onnx === undefined)('are what PyTorch computes', async () => {
  const file = join(folder, 'odd.pth');
  await runPython(python as string, 'test/oracle/onnx-operators.py', file);
  const saved = listTensors((await readCheckpoint(await readFile(file))).value);
  const prefix = 'state_dict.';
  const stateDict = new Map(
    [...saved].map(([key, view]) => [key.replace(prefix, ''), view] as const),
  );
  const graph = describeOnnx(fold(prune(trace(odd(), [3, 15, 15]))));
  const { data } = fillTensors(graph.tensors, stateDict);
  let at = 0;
  const tensors = graph.tensors.map(({ name, shape }) => {
    const values = data.slice(at, at + numel(shape));
    at += values.length;
    return { name, shape, type: 'float32', bytes: new Uint8Array(values.buffer) } as const;
  });
  const producer = { name: 'test', version: '1' };
  const model = join(folder, 'odd.onnx');
  await writeFile(model, encodeModel({ graph, name: 'odd', tensors, producer, metadata: {} }));
  const jobs = join(folder, 'jobs.json');
  await writeFile(jobs, JSON.stringify([{ model, input: file, reference: file }]));
  const [checked] = JSON.parse(await runPython(onnx as string, 'test/oracle/onnx-check.py', jobs));
  expect(new Set(checked.ops)).toEqual(
    new Set(['BatchNormalization', 'Conv', 'Relu', 'MaxPool', 'Concat', 'Flatten', 'Gemm']),
  );
  expect(checked.unknownShapes).toEqual([]);
  expect(checked.errors).toHaveLength(3);
  expect(Math.max(...checked.errors)).toBeLessThanOrEqual(BOUND);
});

describe('what is not written', () => {
  test('is refused by its name', () => {
    const pooled = module('Pooled', { pool: nn.adaptiveAvgPool2d(2) }, (x, m) => m.pool(x));
    expect(() => describeOnnx(trace(pooled, [3, 8, 8]))).toThrow(
      /^pool is an adaptive pool to 2x2, which is not written to ONNX$/,
    );
  });
});
