import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { isPth2tfjsError } from '../../src/base/errors.js';
import { readCheckpoint } from '../../src/checkpoint/read-checkpoint.js';
import { listTensors } from '../../src/checkpoint/state-dict/find-state-dict.js';
import { recordsOf, type TensorRecord } from '../helpers/digest.js';

/**
 * Files that other projects saved with many versions of PyTorch, and what PyTorch reads in each.
 * They are not part of the project: PTH2TFJS_CORPUS names the folder that holds them, with an
 * expected.json of `{file: {tensors: {path: {dtype, shape, sha256}}}}` or `{file: {torch_error}}`.
 */
const { PTH2TFJS_CORPUS } = process.env;
const CORPUS =
  PTH2TFJS_CORPUS ?? fileURLToPath(new URL('../../../shared/corpus/', import.meta.url));

interface Expectation {
  readonly tensors?: Readonly<Record<string, TensorRecord>>;
  readonly torch_error?: string;
}

const present = existsSync(join(CORPUS, 'expected.json'));
if (!present) console.warn(`SKIPPED: the corpus of third-party files is not at ${CORPUS}`);
const expected: Readonly<Record<string, Expectation>> = present
  ? JSON.parse(readFileSync(join(CORPUS, 'expected.json'), 'utf8'))
  : {};

describe.skipIf(!present)('files that other projects saved', () => {
  const entries = Object.entries(expected);
  const refused = entries.filter(([, { torch_error }]) => torch_error !== undefined);
  const empty = entries.filter(([, e]) => e.tensors && Object.keys(e.tensors).length === 0);
  const full = entries.filter(([, e]) => e.tensors && Object.keys(e.tensors).length > 0);

  test.each(full)('%s: every tensor as PyTorch reads it', async (name, { tensors }) => {
    const { value } = await readCheckpoint(readFileSync(join(CORPUS, name)));
    expect(recordsOf(listTensors(value))).toEqual(tensors);
  });

  test.each(refused)('%s: refused, as by PyTorch', async (name) => {
    const error: unknown = await readCheckpoint(readFileSync(join(CORPUS, name))).catch((e) => e);
    expect(error).toSatisfy(isPth2tfjsError);
  });

  test.each(empty)('%s: no tensors, or refused with a reason', async (name) => {
    const result: unknown = await readCheckpoint(readFileSync(join(CORPUS, name))).then(
      ({ value }) => listTensors(value).size,
      (error: unknown) => error,
    );
    expect(result === 0 || isPth2tfjsError(result)).toBe(true);
  });
});
