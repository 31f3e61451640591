/**
 * Networks as people wrap and save them, written by a live PyTorch: the network that comes out is the one that
 * PyTorch's own `state_dict()` names, tensor by tensor, and what is beside it does not stand in the way.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, test } from 'vitest';
import { isPth2tfjsError } from '../../src/base/errors.js';
import { toFloat32 } from '../../src/checkpoint/tensor/float32.js';
import { readNetwork, type SourceOptions } from '../../src/read-network.js';
import { temporaryFolder } from '../helpers/cli.js';
import { findPython, runPython } from '../helpers/python.js';

interface Case {
  readonly options: SourceOptions & { readonly transformInput?: boolean };
  /** torchvision's state dict: key, shape and the one number of each tensor. */
  readonly main: readonly (readonly [key: string, shape: readonly number[], value: number])[];
  /** Whether the auxiliary heads are torchvision's. */
  readonly auxFits: boolean;
}

const python = await findPython('networks as people wrap them');
const folder = temporaryFolder();
let cases: Readonly<Record<string, Case>> = {};

beforeAll(async () => {
  if (python === undefined) return;
  cases = JSON.parse(await runPython(python, 'test/checkpoint/wrappings.py', folder));
}, 120_000);

const read = async (name: string, options: SourceOptions = {}) =>
  readNetwork(await readFile(join(folder, `${name}.pth`)), options);

const problem = (name: string, options: SourceOptions = {}) =>
  read(name, options).then(
    () => expect.fail(`${name} was read`),
    (error: unknown) => (isPth2tfjsError(error) ? error : Promise.reject(error)),
  );

describe.runIf(python)('the network is read, whatever is around it', () => {
  test('in every case', async () => {
    expect(Object.keys(cases).length).toBeGreaterThan(60);
    for (const [name, { options, main, auxFits }] of Object.entries(cases)) {
      const { transformInput, ...rest } = options;
      const network = await read(name, rest).catch((error: unknown) => {
        throw new Error(`${name}: ${String(error)}`, { cause: error });
      });
      const keys = [...network.stateDict.keys()].filter((key) => !isExtra(key));
      const wanted = main.filter(([key]) => auxFits || !key.startsWith('aux'));
      const found = keys.filter((key) => auxFits || !key.startsWith('aux'));
      expect([name, found]).toEqual([name, wanted.map(([key]) => key)]);
      for (const [key, shape, value] of wanted) {
        const tensor = network.stateDict.get(key);
        expect([name, key, tensor?.shape]).toEqual([name, key, shape]);
        if (tensor !== undefined && tensor.numel < 5000) {
          expect([name, key, toFloat32(tensor)[0]]).toEqual([name, key, Math.fround(value)]);
        }
      }
      if (name.startsWith('whole')) {
        expect([name, network.transformInput]).toEqual([name, transformInput ?? false]);
      }
    }
  });

  /** Buffers of thop, which the network ignores where they stand. */
  const isExtra = (key: string) =>
    /total_(ops|params)$|^(n_averaged|classifier\.weight)$/.test(key);

  it.each([
    ['loss-object', /torch\.nn\.modules\.loss\.CrossEntropyLoss \(at criterion\)/],
    ['schedule', /OneCycleLR\._annealing_cos \(at scheduler\.anneal_func\)/],
    ['enum', /^1 object that means nothing here .* __main__\.Mode\.TRAIN \(at mode\)$/],
    [
      'class',
      /__main__\.Wrapper \(at class\), .*__main__\.hook \(at function\), .*\.max \(at builtin\)$/,
    ],
    ['own-dict', /__main__\.Config \(2, first at config\)$/],
    ['own-list', /__main__\.Items \(2, first at items\)$/],
    ['keywords', /__main__\.Keywords/],
    ['partial', /torch\.nn\.modules\.linear\.Linear/],
    ['bound-method', /__main__\.Learner/],
    ['whole-in-object', /__main__\.Learner \(at \.\).*torch\.optim\.sgd\.SGD \(at opt\)/],
  ])('%s: one warning names what is opaque', async (name, warning) => {
    const { warnings } = await read(name);
    expect(warnings.filter((text) => /nothing here/.test(text))).toHaveLength(1);
    expect(warnings).toContainEqual(expect.stringMatching(warning));
  });

  it.each(['deque', 'counts', 'python', 'namespace', 'numpy', 'random', 'whole', 'flat', 'tpu'])(
    '%s: nothing is left over, which strict reading accepts',
    async (name) => {
      expect((await read(name, { strict: true })).warnings).toEqual([]);
    },
  );

  it.each(['enum', 'whole-in-object', 'own-dict'])(
    '%s: strict reading refuses it',
    async (name) => {
      expect(await problem(name, { strict: true })).toMatchObject({
        code: 'unsupported',
        message: expect.stringMatching(/strict reading refuses .*__main__\./),
      });
    },
  );

  it.each([
    ['flat', /^ignored, beside the network: epoch, class_to_idx, name, none$/],
    ['student', /^ignored, another network: 'state_dict\.teacher'$/],
    ['moco', /^ignored, another network: 'state_dict\.module\.encoder_k'$/],
    ['weighted-loss', /^ignored, beside the network: criterion\.weight$/],
    ['aux-single', /^ignored, auxiliary heads that are not torchvision's.* 9 missing/],
    ['second-head-by-key', /^ignored, beside the network: head\.bias, head\.weight$/],
  ])('%s: a note says what was ignored', async (name, note) => {
    expect((await read(name, cases[name]?.options)).notes).toContainEqual(
      expect.stringMatching(note),
    );
  });
});
