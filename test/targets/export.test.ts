import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { beforeAll, describe, expect, it, test } from 'vitest';
import {
  type Checkpoint,
  contiguousBytes,
  readCheckpoint,
  type StateDict,
  stateDictMetadata,
} from '../../src/checkpoint/index.js';
import {
  type ConvertOptions,
  convertCheckpoint,
  exportCheckpoint,
  type NamedBytes,
} from '../../src/index.js';
import { BUNDLED, convertBundled } from '../helpers/bundled.js';
import { expectFailure, pth2tfjs, temporaryFolder } from '../helpers/cli.js';
import { sha256 } from '../helpers/digest.js';
import { findPython, runPython } from '../helpers/python.js';
import { drawSeed } from '../helpers/seed.js';
import { SLOW, slowUnless } from '../helpers/tiers.js';

const SCRIPT = 'test/helpers/export.py';
/** Seeds that were tried out. */
const TRIED = [1, 2, 3, 4];
const CONTAINERS = ['zip', 'legacy'] as const;
const python = await findPython('exported checkpoints in PyTorch');
const folder = temporaryFolder();

/** As a trainable model. */
async function asTrainable(bytes: Uint8Array): Promise<readonly NamedBytes[]> {
  const options = { trainable: true, transformInput: false, crc32 };
  return (await convertCheckpoint(bytes, options)).files;
}

/** All that a state dict holds, with the hash of each tensor's bytes. */
function contents(stateDict: StateDict) {
  return [...stateDict].map(([key, view]) => {
    const { dtype, shape, strides } = view;
    return {
      key,
      dtype,
      shape,
      strides,
      bytes: sha256(contiguousBytes(view)),
    };
  });
}

test.each(CONTAINERS)(
  'the bundled checkpoint comes back as PyTorch wrote it: %s',
  async (format) => {
    const { files } = await convertBundled({ trainable: true, transformInput: false });
    const { bytes } = exportCheckpoint(files, { format, crc32 });
    const [before, after] = (await Promise.all(
      [BUNDLED, bytes].map((each) => readCheckpoint(each, { crc32 })),
    )) as [Checkpoint, Checkpoint];
    expect(after.container.format).toBe(format);
    expect(contents(after.value as StateDict)).toEqual(contents(before.value as StateDict));
    const metadata = stateDictMetadata(before.value);
    expect(metadata?.size).toBeGreaterThan(100);
    expect([...(stateDictMetadata(after.value) ?? [])]).toEqual([...(metadata ?? [])]);
  },
);

describe.skipIf(python === undefined)('in PyTorch', () => {
  const seed = drawSeed('export.py', TRIED);
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

  const ask = (...args: readonly string[]) => runPython(python as string, SCRIPT, ...args);

  const make = async (name: string) => {
    await ask('make', folder, name, '--seed', String(seed));
    return readFileSync(join(folder, `${name}.pth`));
  };

  it('there are these cases', async () => {
    expect((await ask('cases', folder)).trimEnd().split('\n')).toEqual(NAMES);
  });

  for (const name of NAMES) {
    const title = `${name} loads strictly, with weights_only, and every tensor is the same bit for bit`;
    it(title, slowUnless(name === 'without-aux'), async () => {
      const files = await asTrainable(await make(name));
      for (const format of CONTAINERS) {
        const { bytes } = exportCheckpoint(files, { format, crc32 });
        writeFileSync(join(folder, `${name}.${format}.pth`), bytes);
      }
      const lines = await ask('check', folder, name);
      const wanted = CONTAINERS.map((format) => `${format}: the same`);
      expect(lines.trimEnd().split('\n')).toEqual(wanted);
    });
  }

  it(
    'computes the same where folded weights go back with an identity BatchNorm',
    SLOW,
    async () => {
      const bytes = await make('without-aux');
      const { files } = await convertCheckpoint(bytes, { transformInput: false });
      const { bytes: folded } = exportCheckpoint(files, { identityBatchNorm: true });
      writeFileSync(join(folder, 'identity.pth'), folded);
      const distance = await ask('logits', folder, 'without-aux', 'identity');
      // Folding rounds each weight once; float32 logits of this network differ by as much between backends.
      expect(Number(distance)).toBeLessThan(2e-5);
      expect(Number(distance)).toBeGreaterThan(0);
    },
  );
});

async function writeModel(path: string, options: ConvertOptions): Promise<void> {
  const { files } = await convertBundled({ transformInput: false, ...options });
  mkdirSync(path);
  for (const { name, bytes } of files) writeFileSync(join(path, name), bytes);
}

describe('the command', () => {
  const trainable = join(folder, 'trainable');
  const out = (name: string) => join(folder, name);

  beforeAll(async () => {
    await writeModel(trainable, { trainable: true });
    await writeModel(out('folded'), {});
    await writeModel(out('graph'), { format: 'graph' });
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

  it('writes other types when asked to', SLOW, async () => {
    await pth2tfjs('export', trainable, out('half.pth'), '--dtype', 'float16', '--quiet');
    const { value } = await readCheckpoint(readFileSync(out('half.pth')));
    const dtypes = new Set([...(value as StateDict).values()].map(({ dtype }) => dtype));
    expect(dtypes).toEqual(new Set(['float16', 'int64']));
  });

  it('replaces a file only when asked to', SLOW, async () => {
    writeFileSync(out('there.pth'), 'mine');
    const again = await pth2tfjs('export', trainable, out('there.pth'));
    expectFailure(again, 2, /there\.pth is there already; .*--force/);
    expect(readFileSync(out('there.pth'), 'utf8')).toBe('mine');
    expect((await pth2tfjs('export', trainable, out('there.pth'), '--force')).status).toBe(0);
  });

  const REFUSED: readonly (readonly [model: string, message: RegExp, quick: boolean])[] = [
    ['folded', /folded: .*BatchNorm folded.*--trainable.*--identity-bn/, true],
    ['graph', /graph: .*is a graph.*--trainable/, true],
    ['none', /no such file: .*none; check the spelling/, false],
    ['file', /file is a file, not the folder of a model; /, false],
    ['empty', /empty holds no model\.json and no model\.onnx; /, false],
    [
      'torn',
      /torn: the folder lacks group1-shard\d+of13\.bin, which the model\.json names; /,
      true,
    ],
  ];
  for (const [model, message, quick] of REFUSED) {
    it(`refuses what cannot go back: ${model}`, slowUnless(quick), async () => {
      const run = await pth2tfjs('export', out(model), out('no.pth'));
      expectFailure(run, 2, message);
      expect(existsSync(out('no.pth'))).toBe(false);
    });
  }

  it('gives a folded model an identity BatchNorm', async () => {
    const run = await pth2tfjs('export', out('folded'), out('unfolded.pth'), '--identity-bn');
    expect(run.stdout).toMatch(/344 tensors/);
  });
});

describe('half precision', SLOW, () => {
  let half: readonly NamedBytes[];

  beforeAll(async () => {
    const { files } = await convertBundled({ trainable: true });
    const { bytes } = exportCheckpoint(files, { dtype: 'float16', crc32 });
    half = (await convertCheckpoint(bytes, { trainable: true, crc32 })).files;
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
      /training\.batchesTracked in the model\.json is 1\.5, it must be /,
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
    const { files } = await convertBundled({ trainable: true, transformInput: false });
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
