/** The reference in float64 beside PyTorch in float64: random networks by torchvision's own GoogLeNet. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/index.js';
import type { TensorView } from '../../src/checkpoint/tensor/tensor.js';
import { buildNetwork, inferenceGraph, traceImage } from '../../src/describe-model.js';
import { readGolden, readNetwork } from '../../src/index.js';
import { prune } from '../../src/network/fold.js';
import type { Graph } from '../../src/network/trace.js';
import type { Arithmetic } from '../../src/runtimes/reference/convolve.js';
import { interpret } from '../../src/runtimes/reference/interpret.js';
import type { Floats } from '../../src/runtimes/reference/multiply.js';
import { numbersOf, parametersOf, readStateDict } from '../../src/runtimes/reference/parameters.js';
import { temporaryFolder } from '../helpers/cli.js';
import { findPython } from '../helpers/python.js';
import { drawSeed } from '../helpers/seed.js';
import { slowUnless } from '../helpers/tiers.js';
import { type Case, draw, optionsOf, TRIED } from './drawn.js';

const python = await findPython('the reference in float64 beside a live PyTorch');
const folder = temporaryFolder();

/** What rounding in float64 comes to: a thousandth of it would be an error of one unit in the last place. */
const EXACT = 1e-12;
/** PyTorch's own float32 lies up to 4e-6 of an image's norm from its float64, as oracle.test.ts has it. */
const FLOAT32 = 1e-5;

describe.skipIf(python === undefined)('a random network by torchvision', () => {
  const seed = drawSeed('oracle.py', TRIED);
  const cases = [
    ['smallest', true],
    ['before-0.4.1', true],
    ['double', false],
    ['half', false],
    ['as-published', false],
    ['compiled', false],
  ] as const;
  for (const [name, quick] of cases) {
    it(
      `${name}: gives PyTorch's logits, in float64 and near them in float32`,
      slowUnless(quick),
      async () => {
        const drawn = await draw(python as string, name, seed, folder);
        const { graphs, parameters, images, expected } = await open(drawn);
        for (const [at, graph] of graphs.entries()) {
          for (const arithmetic of ['float64', 'float32-nchw', 'float32-nhwc'] as const) {
            const errors = images.map((image, i) => {
              const logits = interpret(graph, parameters(arithmetic), image, arithmetic);
              return distance(logits, expected[i] as Floats);
            });
            const worst = Math.max(...errors);
            const context = `${['as written', 'folded'][at]}, ${arithmetic}: ${worst}`;
            expect(worst, context).toBeLessThan(arithmetic === 'float64' ? EXACT : FLOAT32);
            // Float32 that shows no rounding is none.
            if (arithmetic !== 'float64') expect(worst, context).toBeGreaterThan(1e-8);
          }
        }
      },
    );
  }
});

/** The network unfolded and folded, and what PyTorch made of its images in float64. */
async function open(drawn: Case) {
  const load = (name: string) => readFile(join(folder, name));
  const { imageSize, numClasses, transformInput } = drawn;
  const { stateDict, match } = await readNetwork(await load(drawn.checkpoint), optionsOf(drawn));
  const options = { ...match, numClasses, transformInput, imageSize };
  const golden = await readGolden(await load(drawn.golden));
  const pixels = 3 * imageSize ** 2;
  const images = Array.from({ length: golden.shape[0] }, (_, i) =>
    golden.input.subarray(i * pixels, (i + 1) * pixels),
  );
  const { value } = await readCheckpoint(await load(drawn.float64));
  const logits = numbersOf(value as TensorView);
  const graphs: readonly Graph[] = [
    prune(traceImage(buildNetwork(options), options)),
    inferenceGraph(options),
  ];
  return {
    graphs,
    images,
    parameters: (arithmetic: Arithmetic) => parametersOf(readStateDict(stateDict), arithmetic),
    expected: images.map((_, i) => logits.subarray(i * numClasses, (i + 1) * numClasses)),
  };
}

function distance(actual: Floats, expected: Floats): number {
  let [difference, norm] = [0, 0];
  for (const [i, value] of actual.entries()) {
    difference += (value - (expected[i] as number)) ** 2;
    norm += (expected[i] as number) ** 2;
  }
  return Math.sqrt(difference / norm);
}
