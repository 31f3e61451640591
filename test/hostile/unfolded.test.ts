/** Tensors that claim more than their storages hold: what all of them take is bounded before it is taken. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { saveSafetensors, saveStateDict, TensorView } from '../../src/checkpoint/index.js';
import type { DType } from '../../src/checkpoint/tensor/dtype.js';
import { checkUnfolded, TensorStorage } from '../../src/checkpoint/tensor/tensor.js';
import { convertCheckpoint, inspectCheckpoint, readGolden } from '../../src/index.js';
import { stateDictEntries } from '../../src/network/keys.js';
import { googlenet } from '../../src/networks/googlenet.js';
import { bundledStateDict, CHECKPOINT } from '../helpers/bundled.js';
import { expectFailure, pth2tfjs, temporaryFolder } from '../helpers/cli.js';
import { findPython, startPython } from '../helpers/python.js';
import { SLOW } from '../helpers/tiers.js';

const python = await findPython('expanded and tied tensors of a live PyTorch');
const folder = temporaryFolder();

/** Strides of a tensor that finds itself within few elements. */
type Strides = (shape: readonly number[]) => readonly number[];
const expanded: Strides = (shape) => shape.map(() => 0);
const overlapping: Strides = (shape) => shape.map(() => 1);

function storageOf(elements: number, dtype: DType = 'float32', bytes = 4): TensorStorage {
  const storage = new TensorStorage('0', dtype, elements);
  storage.attach(new Uint8Array(elements * bytes), false);
  return storage;
}

/** A network of so many classes in each of its three heads, all tensors of which are laid out so. */
function network(classes: number, strides: Strides): Uint8Array {
  const options = {
    numClasses: classes,
    auxClasses: [classes, classes],
    branch3Kernel: 3,
  } as const;
  const tensors = [...stateDictEntries(googlenet(options))].map(([key, { shape, dtype }]) => {
    const steps = strides(shape);
    const last = shape.reduce((sum, size, i) => sum + (size - 1) * (steps[i] ?? 0), 0);
    const storage = storageOf(last + 1, dtype, dtype === 'int64' ? 8 : 4);
    return [key, new TensorView(dtype, shape, steps, 0, storage)] as const;
  });
  return saveStateDict(new Map(tensors), { crc32 });
}

const CLASSES = 250_000;
const BOMBS = {
  'of stride 0': () => network(CLASSES, expanded),
  'that overlap': () => network(CLASSES, overlapping),
};

/** Each way out in one process, whose memory is its own. */
const CHILD = `
  import { readFileSync } from 'node:fs';
  const { convertCheckpoint, convertToSafetensors, isPth2tfjsError } = await import(process.argv[1]);
  const bytes = readFileSync(process.argv[2]);
  const outcomes = [];
  for (const way of [
    () => convertCheckpoint(bytes),
    () => convertCheckpoint(bytes, { trainable: true }),
    () => convertCheckpoint(bytes, { format: 'graph', quantization: 'uint8' }),
    () => convertToSafetensors(bytes),
  ]) {
    const code = (error) => (isPth2tfjsError(error) ? error.code : 'untagged ' + error);
    outcomes.push(await way().then(() => 'ok', code));
  }
  const [, peak] = /VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  process.stdout.write(JSON.stringify({ outcomes, megabytes: Number(peak) / 1024 }));
`;

function runApart(file: string): Promise<{ outcomes: string[]; megabytes: number }> {
  const entry = new URL('../../dist/src/index.js', import.meta.url).href;
  const args = ['--input-type=module', '-e', CHILD, entry, file];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, (error, stdout) => {
      if (stdout === '') reject(error);
      else resolve(JSON.parse(stdout));
    });
  });
}

describe.each(Object.entries(BOMBS))('a network of tensors %s', (name, make) => {
  const file = join(folder, `${name.replaceAll(' ', '-')}.pth.gz`);
  writeFileSync(file, gzipSync(make()));

  test.skipIf(process.platform !== 'linux')(
    'is refused on each way out, in little memory',
    async () => {
      const { outcomes, megabytes } = await runApart(file);
      expect(outcomes).toEqual(['limit', 'limit', 'limit', 'limit']);
      // Node itself takes 60 to 80, the parts that read and convert some more; laid out, fc alone takes 1 GB.
      expect(megabytes).toBeLessThan(320);
    },
  );

  test('is inspected', async () => {
    const { networks } = await inspectCheckpoint(make());
    expect(networks).toMatchObject([{ fits: true, numClasses: CLASSES }]);
  });

  test('is refused by the command, which leaves nothing behind', SLOW, async () => {
    for (const args of [['out', '--trainable'], ['out.safetensors']]) {
      const [out = '', ...options] = args;
      const run = await pth2tfjs('convert', file, join(folder, out), ...options);
      expectFailure(
        run,
        2,
        /the tensors take \d+ bytes, .* the bound is \d+; save tensors of their own/,
      );
      expect(existsSync(join(folder, out))).toBe(false);
    }
    expect(await pth2tfjs('inspect', file)).toMatchObject({ status: 0 });
  });
});

test('many keys of one storage are refused in safetensors, a few are written', () => {
  const storage = storageOf(2 ** 20);
  const keys = (count: number) =>
    new Map(
      Array.from({ length: count }, (_, i) => {
        return [`w${i}`, new TensorView('float32', [2 ** 20], [1], 0, storage)] as const;
      }),
    );
  expect(() => saveSafetensors(keys(1000))).toThrow(expect.objectContaining({ code: 'limit' }));
  expect(saveSafetensors(keys(3)).length).toBeGreaterThan(3 * 2 ** 22);
});

describe('the bound', () => {
  const view = (storage: TensorStorage, length: number, stride = 1) =>
    new TensorView(storage.dtype ?? 'uint8', [length], [stride], 0, storage);
  const take =
    (...tensors: TensorView[]) =>
    () =>
      checkUnfolded(tensors);
  const limit = expect.objectContaining({ code: 'limit' });

  test('is 256 MiB for what holds little, as float32', () => {
    const float = storageOf(1);
    expect(take(view(float, 2 ** 26, 0))).not.toThrow();
    expect(take(view(float, 2 ** 26 + 1, 0))).toThrow(limit);
    const half = view(float, 2 ** 25, 0);
    expect(take(half, half)).not.toThrow();
    expect(take(half, half, view(float, 1))).toThrow(limit);
    const bytes = storageOf(1, 'uint8', 1);
    expect(take(view(bytes, 2 ** 26, 0))).not.toThrow();
    expect(take(view(bytes, 2 ** 26 + 1, 0))).toThrow(limit);
  });

  test('is four times what is held, however many storages lie over the same bytes', () => {
    const elements = 2 ** 24 + 2 ** 20;
    const held = storageOf(elements);
    const whole = () => view(held, elements);
    expect(take(whole(), whole(), whole(), whole())).not.toThrow();
    expect(take(whole(), whole(), whole(), whole(), whole())).toThrow(limit);
    // As in files older than torch 0.4, whose storages may be views of others.
    const again = () => {
      const storage = new TensorStorage('1', 'float32', elements);
      storage.attach(held.bytes, false);
      return view(storage, elements);
    };
    expect(take(again(), again(), again(), again(), again())).toThrow(limit);
    const apart = () => view(storageOf(elements), elements);
    expect(take(apart(), apart(), apart(), apart(), apart())).not.toThrow();
  });
});

describe.skipIf(python === undefined)('what PyTorch expands and ties within reason', () => {
  test('converts to what its own copies convert to', async () => {
    const code = `
import sys, torch
source, folder = sys.argv[1:]
sd = torch.load(source)
norms = [k for k in sd if k.endswith("running_mean")]
for k in norms:
    sd[k] = torch.full((1,), 0.125).expand(sd[k].shape)
sd["aux1.fc1.weight"] = sd["aux2.fc1.weight"]
sd["inception4c.branch1.conv.weight"] = sd["inception4b.branch1.conv.weight"][:1, :1].expand(128, 512, 1, 1)
torch.save(sd, folder + "/expanded.pth")
torch.save({k: v.clone().contiguous() for k, v in sd.items()}, folder + "/copied.pth")`;
    const run = await startPython(python as string, '-c', code, CHECKPOINT, folder);
    expect(run).toMatchObject({ status: 0 });
    const [given, copied] = ['expanded.pth', 'copied.pth'].map((name) =>
      readFileSync(join(folder, name)),
    ) as [Buffer, Buffer];
    for (const trainable of [true, false]) {
      const options = { transformInput: false, trainable, imageSize: 64, crc32 };
      const [ours, theirs] = [
        await convertCheckpoint(given, options),
        await convertCheckpoint(copied, options),
      ];
      for (const [i, { name, bytes }] of ours.files.entries()) {
        if (name !== 'model.json')
          expect(Buffer.compare(bytes, theirs.files[i]?.bytes ?? bytes)).toBe(0);
      }
      expect(ours.files).toHaveLength(theirs.files.length);
    }
  });
});

test('a golden file whose tensors claim more is refused, too', async () => {
  const float = storageOf(1);
  const images = 2 ** 9;
  const zeros = (...shape: number[]) =>
    new TensorView(
      'float32',
      shape,
      shape.map(() => 0),
      0,
      float,
    );
  const bytes = saveStateDict(
    new Map([
      ['input', zeros(images, 3, 224, 224)],
      ['logits', zeros(images, 1000)],
    ]),
  );
  await expect(readGolden(bytes)).rejects.toMatchObject({ code: 'limit' });
});

test('the bundled checkpoint stays far below', async () => {
  const stateDict = await bundledStateDict();
  expect(() => checkUnfolded(stateDict.values())).not.toThrow();
});
