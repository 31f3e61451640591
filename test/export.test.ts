import { randomInt } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, test } from 'vitest';
import {
  contiguousBytes,
  convertCheckpoint,
  exportCheckpoint,
  type NamedBytes,
  readCheckpoint,
  type StateDict,
  stateDictMetadata,
} from '../src/index.js';
import { BUNDLED } from './helpers/bundled.js';
import { expectFailure, GOLDEN, pth2tfjs, temporaryFolder } from './helpers/cli.js';
import { findPython, runPython } from './helpers/python.js';

const SCRIPT = 'test/helpers/export.py';
const CONTAINERS = ['zip', 'legacy'] as const;
const python = findPython('exported checkpoints in PyTorch');
const folder = temporaryFolder();
const { PTH2TFJS_SEED } = process.env;

/** Through a trainable model, and back. */
async function throughModel(bytes: Uint8Array, format: 'zip' | 'legacy'): Promise<Uint8Array> {
  const { files } = await convertCheckpoint(bytes, { trainable: true, transformInput: false });
  return exportCheckpoint(files, { format }).bytes;
}

/** All that a state dict holds, with each tensor's bytes in hexadecimal. */
function contents(stateDict: StateDict) {
  return [...stateDict].map(([key, view]) => {
    const { dtype, shape, strides } = view;
    return {
      key,
      dtype,
      shape,
      strides,
      bytes: Buffer.from(contiguousBytes(view)).toString('hex'),
    };
  });
}

test.each(CONTAINERS)(
  'the bundled checkpoint comes back as PyTorch wrote it: %s',
  async (format) => {
    const bytes = await throughModel(BUNDLED, format);
    const [before, after] = await Promise.all([readCheckpoint(BUNDLED), readCheckpoint(bytes)]);
    expect(after.container.format).toBe(format);
    expect(contents(after.value as StateDict)).toEqual(contents(before.value as StateDict));
    const metadata = stateDictMetadata(before.value);
    expect(metadata?.size).toBeGreaterThan(100);
    expect([...(stateDictMetadata(after.value) ?? [])]).toEqual([...(metadata ?? [])]);
  },
);

describe.skipIf(python === undefined)('in PyTorch', () => {
  const seed = Number(PTH2TFJS_SEED ?? randomInt(2 ** 31));
  const NAMES = [
    'float32',
    'without-aux',
    'kernel-5',
    'other-head',
    'uneven',
    'special',
    'float16',
    'bfloat16',
  ];

  beforeAll(async () => {
    console.info(`export.py draws its networks from PTH2TFJS_SEED=${seed}`);
    await runPython(python as string, SCRIPT, 'make', folder, '--seed', String(seed));
    for (const name of NAMES) {
      const bytes = readFileSync(join(folder, `${name}.pth`));
      for (const format of CONTAINERS) {
        writeFileSync(join(folder, `${name}.${format}.pth`), await throughModel(bytes, format));
      }
    }
  });

  it('loads strictly, with weights_only, and every tensor is the same bit for bit', async () => {
    const lines = await runPython(python as string, SCRIPT, 'check', folder);
    const wanted = NAMES.flatMap((name) =>
      CONTAINERS.map((format) => `${name} ${format}: the same`),
    );
    expect(lines.trimEnd().split('\n')).toEqual(wanted);
  });

  it('computes the same where folded weights go back with an identity BatchNorm', async () => {
    const bytes = readFileSync(join(folder, 'without-aux.pth'));
    const { files } = await convertCheckpoint(bytes, { transformInput: false });
    const { bytes: folded } = exportCheckpoint(files, { identityBatchNorm: true });
    writeFileSync(join(folder, 'identity.pth'), folded);
    const distance = await runPython(
      python as string,
      SCRIPT,
      'logits',
      folder,
      'without-aux',
      'identity',
    );
    // Folding rounds each weight once; float32 logits of this network differ by as much between backends.
    expect(Number(distance)).toBeLessThan(2e-5);
    expect(Number(distance)).toBeGreaterThan(0);
  });
});

describe('the command', () => {
  const trainable = join(folder, 'trainable');
  const out = (name: string) => join(folder, name);

  beforeAll(async () => {
    const checkpoint = join(GOLDEN, 'googlenet.pth.gz');
    const options = ['--no-transform-input', '--quiet'];
    await pth2tfjs('convert', checkpoint, trainable, '--trainable', ...options);
    await pth2tfjs('convert', checkpoint, out('folded'), ...options);
    await pth2tfjs('convert', checkpoint, out('graph'), '--format', 'graph', ...options);
    writeFileSync(out('file'), '');
    mkdirSync(out('empty'));
    mkdirSync(out('torn'));
    for (const name of ['model.json', 'group1-shard1of13.bin']) {
      copyFileSync(join(trainable, name), join(out('torn'), name));
    }
  });

  it('says what it wrote, and what takes it in Python', async () => {
    const run = await pth2tfjs('export', trainable, out('back.pth'));
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/back\.pth: zip, 52\.2 MB, 364 tensors, float32/);
    expect(run.stdout).toMatch(/googlenet\(weights=None, num_classes=1000, aux_logits=True, /);
    const legacy = await pth2tfjs('export', trainable, out('old.pth'), '--legacy', '--json');
    const report = JSON.parse(legacy.stdout);
    expect(report).toMatchObject({ container: 'legacy', tensors: 364, auxLogits: true });
    expect((await readCheckpoint(readFileSync(out('old.pth')))).container.format).toBe('legacy');
  });

  it('writes other types when asked to', async () => {
    await pth2tfjs('export', trainable, out('half.pth'), '--dtype', 'float16', '--quiet');
    const { value } = await readCheckpoint(readFileSync(out('half.pth')));
    const dtypes = new Set([...(value as StateDict).values()].map(({ dtype }) => dtype));
    expect(dtypes).toEqual(new Set(['float16', 'int64']));
  });

  it('replaces a file only when asked to', async () => {
    writeFileSync(out('there.pth'), 'mine');
    const again = await pth2tfjs('export', trainable, out('there.pth'));
    expectFailure(again, 2, /there\.pth is there already; .*--force/);
    expect(readFileSync(out('there.pth'), 'utf8')).toBe('mine');
    expect((await pth2tfjs('export', trainable, out('there.pth'), '--force')).status).toBe(0);
  });

  it.each([
    ['folded', /folded: .*BatchNorm folded.*--trainable.*--identity-bn/],
    ['graph', /graph: .*is a graph.*--trainable/],
    ['none', /no such folder: .*none; check the spelling/],
    ['file', /file is a file, not the folder of a model; /],
    ['empty', /empty holds no model\.json; /],
    ['torn', /torn lacks group1-shard\d+of13\.bin, which its model\.json names; /],
  ])('refuses what cannot go back: %s', async (model, message) => {
    const run = await pth2tfjs('export', out(model), out('no.pth'));
    expectFailure(run, 2, message);
    expect(existsSync(out('no.pth'))).toBe(false);
  });

  it('gives a folded model an identity BatchNorm', async () => {
    const run = await pth2tfjs('export', out('folded'), out('unfolded.pth'), '--identity-bn');
    expect(run.stdout).toMatch(/344 tensors/);
  });
});

describe('half precision', () => {
  let half: readonly NamedBytes[];

  beforeAll(async () => {
    const { files } = await convertCheckpoint(BUNDLED, { trainable: true });
    const { bytes } = exportCheckpoint(files, { dtype: 'float16' });
    half = (await convertCheckpoint(bytes, { trainable: true })).files;
  });

  test('goes back as it came', () => {
    expect(exportCheckpoint(half).dtype).toBe('float16');
  });

  test('is not what TensorFlow.js has trained in float32 and saved with our notes', () => {
    const saved = edited(half, ({ json }) => {
      json.generatedBy = 'TensorFlow.js tfjs-layers v4.22.0';
    });
    expect(exportCheckpoint(saved).dtype).toBe('float32');
  });
});

describe('what is no trainable GoogLeNet is refused', () => {
  const edits: [string, (model: Editable) => void, RegExp][] = [
    ['a weight less', ({ weights }) => weights.splice(7, 1), /is missing|bytes of weights/],
    [
      'a weight more',
      ({ weights }) => weights.push({ ...weights[1], name: 'extra', shape: [0] }),
      /holds extra/,
    ],
    [
      'another shape',
      ({ weights }) => weights[0]?.shape.reverse(),
      /conv1\.conv\/kernel has the shape/,
    ],
    ['no input', ({ layers }) => layers.shift(), /no layer named input/],
    [
      'half a batch',
      ({ json }) => {
        json.userDefinedMetadata.pth2tfjs.training.batchesTracked = 1.5;
      },
      /counts 1\.5 batches/,
    ],
    [
      'no layers',
      ({ config }) => {
        delete config.layers;
      },
      /without layers/,
    ],
  ];

  test.each(edits)('%s', async (_, edit, message) => {
    const { files } = await convertCheckpoint(BUNDLED, { trainable: true });
    expect(() => exportCheckpoint(edited(files, edit))).toThrow(message);
    expect(() => exportCheckpoint(edited(files, edit))).toThrow(
      expect.objectContaining({ code: 'model' }),
    );
  });
});

interface Editable {
  readonly json: {
    generatedBy: string;
    readonly userDefinedMetadata: {
      readonly pth2tfjs: { readonly training: { batchesTracked: number } };
    };
  };
  readonly config: { layers?: unknown[] };
  readonly layers: unknown[];
  readonly weights: { name: string; shape: number[] }[];
}

function edited(files: readonly NamedBytes[], edit: (model: Editable) => void): NamedBytes[] {
  const [modelJSON, ...shards] = files as readonly [NamedBytes, ...NamedBytes[]];
  const json = JSON.parse(new TextDecoder().decode(modelJSON.bytes));
  const { config } = json.modelTopology;
  edit({ json, config, layers: config.layers, weights: json.weightsManifest[0].weights });
  return [{ name: 'model.json', bytes: new TextEncoder().encode(JSON.stringify(json)) }, ...shards];
}
