import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Checkpoint } from '../../src/checkpoint/container/container.js';
import { readCheckpoint, ungzip } from '../../src/checkpoint/read-checkpoint.js';
import { saveStateDict } from '../../src/checkpoint/save-state-dict.js';
import { stateDictMetadata } from '../../src/checkpoint/state-dict/metadata.js';
import { denseTensor } from '../../src/checkpoint/tensor/dense-tensor.js';
import { DTYPES, type DType, itemSize, STORAGE_TYPES } from '../../src/checkpoint/tensor/dtype.js';
import { toFloat32 } from '../../src/checkpoint/tensor/float32.js';
import { type StateDict, TensorStorage, TensorView } from '../../src/checkpoint/tensor/tensor.js';
import { BUNDLED } from '../helpers/bundled.js';
import { GOLDEN } from '../helpers/cli.js';
import { sha256 } from '../helpers/digest.js';
import { contents, holdsTensorsAlone, rewrite } from '../helpers/rewrite.js';
import { drawSeed } from '../helpers/seed.js';

fc.configureGlobal({ seed: drawSeed('save.test.ts') });

/** Golden files of tensors alone that are not as torch.save writes a state dict by default. */
const OTHERWISE: readonly (readonly [why: string, files: RegExp])[] = [
  ['another pickle protocol', /\/protocol-[1345]\./],
  ['storages on a GPU', /\/location-cuda\./],
  ['parameters, where a state dict has plain tensors', /\/(parameter|requires-grad)/],
  ['an attribute of a tensor, which newer versions save', /2\.13\/tensor-with-state/],
  ['a top folder named after the file', /\/zip-folder\./],
  ['keys recorded as one str object; PyTorch makes a new one each time', /\/shared-.*\.legacy\./],
  ['made by hand', /\/(legacy-|zip-(plain|deflated|comment|big-endian))/],
];

interface Sample {
  readonly name: string;
  readonly file: Uint8Array;
  readonly checkpoint: Checkpoint;
}

async function loadSample(name: string): Promise<Sample[]> {
  const { file } = await ungzip(readFileSync(join(GOLDEN, name)));
  const checkpoint = await readCheckpoint(file).catch(() => undefined);
  return holdsTensorsAlone(checkpoint?.value)
    ? [{ name, file, checkpoint: checkpoint as Checkpoint }]
    : [];
}

/** Of `torch.save(torch.load(BUNDLED), buffer)`. */
const SHA256_BY_TORCH = '1a92c8da0d785baf3bb2688e64f6050669309428e17e503c56ee62a05bf9c67f';

const NAMES = ['torch-1.13', 'torch-2.13'].flatMap((folder) =>
  readdirSync(join(GOLDEN, folder)).map((name) => `${folder}/${name}`),
);
const SAMPLES = (await Promise.all(NAMES.map(loadSample))).flat();
const isUsual = ({ name }: Sample) => !OTHERWISE.some(([, files]) => files.test(name));

/** Older archives have fewer records about themselves. */
function sameAs({ file, checkpoint, name }: Sample): boolean {
  const again = rewrite(checkpoint);
  if (checkpoint.container.format === 'legacy' || name.startsWith('torch-2.13'))
    return Buffer.from(again).equals(file);
  return isDeepStrictEqual(contents(again), contents(file));
}

describe('what PyTorch wrote, read and written again, is the same byte for byte', () => {
  test.each(SAMPLES.filter(isUsual))('$name', (sample) => {
    expect(sameAs(sample)).toBe(true);
  });

  test.each(OTHERWISE)('but not: %s', (_, files) => {
    const others = SAMPLES.filter(({ name }) => name.startsWith('torch-2.13') && files.test(name));
    expect(others.length).toBeGreaterThan(0);
    expect(others.filter(sameAs).map(({ name }) => name)).toEqual([]);
  });

  test('the full-size network, as torch 2.13.0 on Linux writes it', async () => {
    const value = (await readCheckpoint(BUNDLED)).value as StateDict;
    const file = saveStateDict(value, { metadata: stateDictMetadata(value) });
    expect(sha256(file)).toBe(SHA256_BY_TORCH);
  });
});

/** Types that need nothing beside them; a legacy stream holds those that have a storage class. */
const TYPES = DTYPES.filter((dtype) => !dtype.startsWith('q'));
const OLD_TYPES = TYPES.filter((dtype) => Object.values(STORAGE_TYPES).includes(dtype));

function storageOf(dtype: DType): fc.Arbitrary<{ storage: TensorStorage; dtype: DType }> {
  return fc.integer({ min: 0, max: 12 }).chain((numel) => {
    const length = numel * itemSize(dtype);
    return fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => {
      const storage = new TensorStorage('any', dtype, numel);
      storage.attach(bytes, false);
      return { storage, dtype };
    });
  });
}

/** Any look at a storage: of any rank, with steps and repetitions; all of it where the draw reaches outside. */
function viewOf(storage: TensorStorage, dtype: DType): fc.Arbitrary<TensorView> {
  const small = fc.nat({ max: 3 });
  return fc
    .tuple(fc.array(fc.tuple(small, small), { maxLength: 4 }), fc.nat({ max: 12 }))
    .map(([dimensions, offset]) => {
      const shape = dimensions.map(([size]) => size);
      const strides = dimensions.map(([, stride]) => stride);
      const last = dimensions.reduce((at, [size, stride]) => at + (size - 1) * stride, offset);
      const fits = shape.includes(0) || last < storage.numel;
      if (fits) return new TensorView(dtype, shape, strides, offset, storage);
      return new TensorView(dtype, [storage.numel], [1], 0, storage);
    });
}

function stateDictOf(types: readonly DType[]): fc.Arbitrary<StateDict> {
  const key = fc.string({ unit: 'binary' });
  return fc
    .array(fc.constantFrom(...types).chain(storageOf), { minLength: 1, maxLength: 4 })
    .chain((storages) => {
      const view = fc
        .constantFrom(...storages)
        .chain((drawn) => viewOf(drawn.storage, drawn.dtype));
      return fc.uniqueArray(fc.tuple(key, view), { selector: ([name]) => name, maxLength: 12 });
    })
    .map((entries) => new Map(entries));
}

const METADATA = fc.option(
  fc
    .array(fc.tuple(fc.string({ unit: 'binary' }), fc.integer({ min: -(2 ** 53), max: 2 ** 53 })))
    .map((entries) => new Map(entries)),
  { nil: undefined },
);

/** All that a state dict is, in order; each storage by the first that uses it. */
function facts(stateDict: StateDict) {
  const storages = [...new Set([...stateDict.values()].map(({ storage }) => storage))];
  const rows = [...stateDict].map(([key, { dtype, shape, strides, offset, storage, lazy }]) => {
    return { key, dtype, shape, strides, offset, storage: storages.indexOf(storage), lazy };
  });
  return { rows, bytes: storages.map(({ bytes }) => Buffer.from(bytes).toString('hex')) };
}

describe('any state dict comes back as it was', () => {
  test.each([
    ['zip', TYPES],
    ['legacy', OLD_TYPES],
  ] as const)('from a file of the kind %s', async (format, types) => {
    const anyCase = fc.asyncProperty(stateDictOf(types), METADATA, async (stateDict, metadata) => {
      const file = saveStateDict(stateDict, { format, metadata });
      const { value, container } = await readCheckpoint(file);
      expect(container).toMatchObject({ format, pickleProtocol: 2, byteOrder: 'little' });
      expect(facts(value as StateDict)).toEqual(facts(stateDict));
      expect(stateDictMetadata(value)).toEqual(metadata);
      expect(saveStateDict(stateDict, { format, metadata })).toEqual(file);
    });
    await fc.assert(anyCase, { numRuns: 300 });
  });

  test('with numbers of the machine as its elements', async () => {
    const stateDict = new Map([
      ['weight', denseTensor('float32', [2, 1, 3], Float32Array.of(1, 2, 3, 4, 5, 6))],
      ['steps', denseTensor('int64', [], BigInt64Array.of(-5n))],
      ['none', denseTensor('float64', [3, 0, 2], new Float64Array(0))],
    ]);
    const { value } = await readCheckpoint(saveStateDict(stateDict));
    expect(facts(value as StateDict).rows.map(({ strides }) => strides)).toEqual([
      [3, 3, 1],
      [],
      [2, 2, 1],
    ]);
    expect(toFloat32((value as StateDict).get('weight') as TensorView)).toEqual(
      Float32Array.of(1, 2, 3, 4, 5, 6),
    );
    expect(toFloat32((value as StateDict).get('steps') as TensorView)).toEqual(Float32Array.of(-5));
  });
});

describe('what cannot be saved is refused', () => {
  const storage = new TensorStorage('0', 'float32', 4);
  storage.attach(new Uint8Array(16), false);
  const view = (dtype: DType, numel = 4) => new TensorView(dtype, [numel], [1], 0, storage);
  const three = new TensorStorage('0', 'uint8', 3);
  three.attach(new Uint8Array(3), false);
  const odd = new TensorView('float16', [1], [1], 0, three);
  const unread = new TensorView('float32', [4], [1], 0, new TensorStorage('0', 'float32', 4));

  test.each([
    ['half a character as a key', { '\ud83d': view('float32') }, 'usage', /key "\\ud83d"/],
    [
      'a view beyond its storage',
      { w: view('float32', 5) },
      'corrupt',
      /^cannot save 'w': .* byte 20/,
    ],
    ['a storage without its bytes', { w: unread }, 'corrupt', /^cannot save 'w': .* 0 bytes/],
    ['a storage under two types', { a: view('float32'), b: view('int32') }, 'unsupported', /'b'/],
    ['a storage with half an element', { w: odd }, 'corrupt', /^cannot save 'w': .* 3 bytes/],
    ['quantized integers without a scale', { w: view('qint32') }, 'unsupported', /'w': .* scale/],
  ] as const)('%s', (_, entries, code, message) => {
    const stateDict = new Map(Object.entries<TensorView>(entries));
    const error = expect.objectContaining({ code, message: expect.stringMatching(message) });
    for (const format of ['zip', 'legacy'] as const) {
      expect(() => saveStateDict(stateDict, { format })).toThrow(error);
    }
  });

  test('in a legacy stream, a type that PyTorch could not read from one', () => {
    const stateDict = new Map([['w', view('uint16')]]);
    const hint = 'save a zip archive instead';
    expect(() => saveStateDict(stateDict, { format: 'legacy' })).toThrow(
      expect.objectContaining({ code: 'unsupported', hint }),
    );
  });

  test('elements that are too few or too many for the shape', () => {
    const error = expect.objectContaining({
      code: 'usage',
      message: expect.stringMatching(/16 bytes/),
    });
    expect(() => denseTensor('float32', [2, 2], new Float32Array(3))).toThrow(error);
    expect(() => denseTensor('float32', [2, 2], new Float64Array(4))).toThrow(error);
    expect(() => denseTensor('float32', [-1], new Float32Array(1))).toThrow(Error);
  });
});
