import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isPth2tfjsError } from '../../src/base/errors.js';
import { readCheckpoint } from '../../src/checkpoint/read-checkpoint.js';
import { listTensors } from '../../src/checkpoint/state-dict/find-state-dict.js';
import { toFloat32 } from '../../src/checkpoint/tensor/float32.js';
import { contiguousBytes, type TensorView } from '../../src/checkpoint/tensor/tensor.js';
import { GOLDEN } from '../helpers/cli.js';
import { recordOf, sha256, type TensorRecord } from '../helpers/digest.js';

/** What PyTorch read in a file when it was generated, or why the file must be refused. */
interface Truth {
  readonly sha256: string;
  readonly bytes: number;
  readonly tensors?: Readonly<Record<string, TensorTruth>>;
  /** The error code; several where more than one is right; null where reading it does no harm. */
  readonly refused?: string | readonly string[] | null;
}

interface TensorTruth extends TensorRecord {
  /** Of `tensor.float()`, for dtypes that have one. */
  readonly float32_sha256?: string;
  /** Of `tensor.dequantize()`. */
  readonly dequantized_sha256?: string;
}

const manifest: { readonly files: Readonly<Record<string, Truth>> } = JSON.parse(
  readFileSync(join(GOLDEN, 'manifest.json'), 'utf8'),
);
const files = Object.entries(manifest.files);
const isReadable = ([, { refused }]: [string, Truth]) => refused === undefined;
const read = (name: string) => readFileSync(join(GOLDEN, name));

/** Real dtypes have one float32 value an element; NaNs may differ in their payload. */
function float32Digest(tensor: TensorView): string {
  const values = toFloat32(tensor).map((value) => (Number.isNaN(value) ? NaN : value));
  return sha256(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

test('the manifest lists every file of the golden folders, unchanged', () => {
  const folders = [
    '',
    ...readdirSync(GOLDEN).filter((name) => statSync(join(GOLDEN, name)).isDirectory()),
  ];
  const found = folders
    .flatMap((folder) => readdirSync(join(GOLDEN, folder)).map((name) => join(folder, name)))
    .filter((name) => !name.startsWith('photos/'))
    .filter((name) => (name.includes('/') ? !name.includes('__pycache__') : name.endsWith('.gz')));
  expect(found.sort()).toEqual(files.map(([name]) => name).sort());
  for (const [name, truth] of files) {
    expect([name, sha256(read(name))]).toEqual([name, truth.sha256]);
  }
});

describe('files that PyTorch wrote', () => {
  test.each(files.filter(isReadable))('%s', async (name, truth) => {
    const tensors = listTensors((await readCheckpoint(read(name))).value);
    const expected = truth.tensors ?? {};
    expect([...tensors.keys()].sort()).toEqual(Object.keys(expected).sort());
    for (const [
      key,
      { float32_sha256, dequantized_sha256, dtype, shape, sha256: digest },
    ] of Object.entries(expected)) {
      const tensor = tensors.get(key) as TensorView;
      expect({ key, ...recordOf(tensor) }).toEqual({ key, dtype, shape, sha256: digest });
      const value = dequantized_sha256 ?? float32_sha256;
      if (value !== undefined) expect([key, float32Digest(tensor)]).toEqual([key, value]);
    }
  });
});

describe('files that must be refused', () => {
  test.each(files.filter((entry) => !isReadable(entry)))('%s', async (name, { refused }) => {
    const result: unknown = await readCheckpoint(read(name))
      .then(({ value }) => {
        for (const tensor of listTensors(value).values()) contiguousBytes(tensor);
        return null;
      })
      .catch((error: unknown) => error);
    const codes = Array.isArray(refused) ? refused : [refused];
    if (result !== null) expect(result).toSatisfy(isPth2tfjsError);
    expect(codes).toContain(result === null ? null : (result as { code: string }).code);
  });
});

test('no refused file has touched a prototype', () => {
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect('polluted' in {}).toBe(false);
});
