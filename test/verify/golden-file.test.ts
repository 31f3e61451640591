import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { denseTensor, type TensorView } from '../../src/checkpoint/index.js';
import { OpaqueObject } from '../../src/checkpoint/pickle/inert.js';
import type { Checkpoint } from '../../src/checkpoint/read-checkpoint.js';
import { convertCheckpoint, isPth2tfjsError, readGolden, verifyModel } from '../../src/index.js';
import { doubts } from '../../src/verify/fits.js';
import { parseGolden } from '../../src/verify/golden.js';
import { BUNDLED, CHECKPOINT, convertBundled } from '../helpers/bundled.js';
import { expectFailure, GOLDEN, pth2tfjs, temporaryFolder } from '../helpers/cli.js';
import { findPython, startPython } from '../helpers/python.js';
import { SLOW } from '../helpers/tiers.js';

const tmp = temporaryFolder();
const python = await findPython('golden files as people save them');

const ones = (...shape: number[]): TensorView =>
  denseTensor('float32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1));
const input = ones(2, 3, 16, 16);
const logits = ones(2, 5);

/** A golden file whose pickle held these. */
const held = (value: unknown) =>
  parseGolden({
    container: { format: 'zip' },
    value,
    metadata: new Map(),
  } as unknown as Checkpoint);
const withLogits = (value: unknown) =>
  held(
    new Map([
      ['input', input as unknown],
      ['logits', value],
    ]),
  );

function problemOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isPth2tfjsError(error)) return `${error.code}: ${error.message}; ${error.hint}`;
    throw error;
  }
  return 'none';
}

const OUTPUTS = 'torchvision.models.googlenet.GoogLeNetOutputs';
const [aux2, aux1] = [ones(2, 5), ones(2, 5)];

describe('what the model gives in training mode alone', () => {
  test.each([
    ['its named tuple', new OpaqueObject(OUTPUTS, [logits, aux2, aux1])],
    ['the same of old', new OpaqueObject('torchvision.models.googlenet._GoogLeNetOutputs', [])],
    ['a tuple', [logits, aux2, aux1]],
    ['a tuple whose heads have other classes', [logits, ones(2, 7), ones(2, 7)]],
    [
      'a dict',
      new Map([
        ['logits', logits],
        ['aux_logits2', aux2],
        ['aux_logits1', aux1],
      ]),
    ],
  ])('%s', (_, value) => {
    expect(problemOf(() => withLogits(value))).toMatch(
      /^golden: the golden file has in 'logits' what GoogLeNet gives in training mode alone.*not put in eval mode; put it in eval mode.*model\.eval\(\)\(x\)/,
    );
  });

  test('that and nothing else', () => {
    expect(problemOf(() => held(new OpaqueObject(OUTPUTS, [logits, aux2, aux1])))).toMatch(
      /^golden: the golden file is what GoogLeNet gives in training mode alone/,
    );
  });
});

describe('what holds the tensor', () => {
  const output = 'transformers.modeling_outputs.ImageClassifierOutput';
  test.each([
    ['a ModelOutput', new OpaqueObject(output, [null, logits, null, null])],
    ['a dict', new Map([['logits', logits]])],
    ['a tuple of one', [logits]],
  ])('%s is opened', (_, value) => {
    expect(withLogits(value)).toMatchObject({ numClasses: 5, shape: [2, 3, 16, 16] });
  });

  test.each([
    ['several', [logits, aux2], /has a list with 2 tensors in 'logits', not a tensor/],
    ['a row for each image', [ones(5), ones(5), ones(5)], /has a list with 3 tensors/],
    ['a class', new OpaqueObject('a.B', []), /has an object of the class a\.B with 0 tensors/],
    ['text', 'logits', /has a string in 'logits'/],
    ['nothing', null, /has no tensor 'logits'; its keys are: input, logits/],
  ])('%s: is named', (_, value, text) => {
    expect(problemOf(() => withLogits(value))).toMatch(text);
  });

  test.each([
    [[input, logits], /is a list of 2 items, not a dict/],
    [[input], /is a list of 1 item, not a dict/],
    [logits, /is a tensor alone, not a dict of input and logits/],
  ])('no dict (%#)', (value, text) => {
    expect(problemOf(() => held(value))).toMatch(text);
  });

  test('counts of one are words of one', () => {
    const one = new Map<string, unknown>([
      ['input', ones(1, 3, 16, 16)],
      ['logits', ones(2, 5)],
    ]);
    expect(problemOf(() => held(one))).toMatch(/logits of shape \[2,5\] for 1 image; /);
  });
});

describe.skipIf(python === undefined)('as PyTorch saves them', () => {
  const run = async (script: string, ...args: string[]) => {
    const done = await startPython(python as string, '-c', script, ...args);
    expect(done).toMatchObject({ status: 0 });
  };
  const NETWORK = `
import sys, torch, torchvision
model = torchvision.models.googlenet(weights=None, init_weights=False)
model.load_state_dict(torch.load(sys.argv[1]))
x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
`;

  test('in training mode, and then as the hint says', SLOW, async () => {
    const [bad, good] = [join(tmp, 'tuple.pth'), join(tmp, 'golden.pth')];
    await run(
      `${NETWORK}
out = model.train()(x)
torch.save({"input": x, "logits": tuple(out)}, sys.argv[2])`,
      CHECKPOINT,
      bad,
    );
    const args = ['verify', CHECKPOINT, '--no-transform-input', '--golden'];
    const refused = await pth2tfjs(...args, bad);
    expectFailure(refused, 2, /tuple\.pth: .*in training mode alone/);
    const hint = /in Python: (torch\.save\(.*\))$/m.exec(refused.stderr)?.[1] as string;
    await run(
      `${NETWORK}
import os; os.chdir(sys.argv[2])
${hint}`,
      CHECKPOINT,
      tmp,
    );
    expect((await pth2tfjs(...args, good)).status).toBe(0);
  });

  test('the named tuple whole, which is said to be of training mode', SLOW, async () => {
    const path = join(tmp, 'named-tuple.pth');
    await run(
      `${NETWORK}
torch.save({"input": x, "logits": model.train()(x)}, sys.argv[2])`,
      CHECKPOINT,
      path,
    );
    const refused = await pth2tfjs('verify', CHECKPOINT, '--golden', path);
    expectFailure(refused, 2, /named-tuple\.pth: .*in training mode alone.*model\.eval\(\)/);
  });
});

describe('what a golden file says of itself', () => {
  const layered = () => readGolden(readFileSync(join(GOLDEN, 'googlenet.64.layers.golden.pth.gz')));

  test('another transform_input than the model’s, or training mode, is said', async () => {
    const golden = await layered();
    const { provenance } = await convertBundled({ golden });
    expect(doubts(provenance, golden)).toEqual([]);
    expect(doubts({ transformInput: true }, golden)).toEqual([
      expect.stringMatching(
        /^the golden file says that transform_input was off in PyTorch, the model has it on; `transformInput: false`/,
      ),
    ]);
    const training = { ...golden.provenance, training: true } as typeof golden.provenance;
    expect(doubts(provenance, { ...golden, provenance: training })).toEqual([
      expect.stringMatching(/was in training mode, .*; make it again after model\.eval\(\)$/),
    ]);
    expect(doubts(null, { ...golden, provenance: null })).toEqual([]);
    const logits = golden.logits.map((_, i) => golden.logits[i % golden.numClasses] as number);
    expect(doubts(provenance, { ...golden, logits })).toEqual([
      expect.stringMatching(/^the golden file's logits hardly depend on the image: .* 0\.0e\+0 /),
    ]);
  });
});

describe('a checkpoint with a number that is none', () => {
  test('is named when it is verified itself, as a folder is', SLOW, async () => {
    const golden = await readGolden(
      readFileSync(join(GOLDEN, 'googlenet.64.layers.golden.pth.gz')),
    );
    const plain = { ...golden, provenance: null };
    const { readCheckpoint, saveStateDict } = await import('../../src/checkpoint/index.js');
    const { value } = await readCheckpoint(BUNDLED);
    const broken = new Map(value as ReadonlyMap<string, TensorView>);
    broken.set(
      'conv1.bn.running_mean',
      denseTensor('float32', [64], new Float32Array(64).fill(NaN)),
    );
    const bytes = await saveStateDict(broken);
    const options = { imageSize: 64, transformInput: false };
    const { files, warnings } = await convertCheckpoint(bytes, options);
    expect(warnings.join()).toMatch(/conv1/);
    const folder = await verifyModel(files, plain);
    expect(folder.diagnosis?.cause).toMatchObject({ id: 'corrupt-tensor', where: 'conv1/bias' });
    const whole = await verifyModel(files, plain, { checkpoint: bytes });
    expect(whole.diagnosis?.cause).toMatchObject({
      id: 'corrupt-tensor',
      where: 'conv1/bias',
      cure: expect.stringMatching(/^The checkpoint itself holds them/),
    });
    writeFileSync(join(tmp, 'nan.pth'), bytes);
    const path = join(GOLDEN, 'googlenet.64.layers.golden.pth.gz');
    const args = ['--golden', path, '--allow-other-checkpoint', '--no-transform-input', '--quiet'];
    const run = await pth2tfjs(
      'convert',
      join(tmp, 'nan.pth'),
      join(tmp, 'nan'),
      '--image-size',
      '64',
      ...args,
    );
    expectFailure(
      run,
      1,
      /conv1\/bias holds values that are infinite or no number\. The checkpoint itself holds them/,
    );
  });
});
