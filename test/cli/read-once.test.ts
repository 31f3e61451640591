import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { CommandModule } from 'yargs';
import { convertCommand } from '../../cli/commands/convert.js';
import { inspectCommand } from '../../cli/commands/inspect.js';
import { verifyCommand } from '../../cli/commands/verify.js';
import { readSource } from '../../cli/source.js';
import { sha256 } from '../../src/base/sha256.js';
import { gunzip } from '../../src/checkpoint/container/gzip.js';
import { readZip } from '../../src/checkpoint/container/read-archive.js';
import { readSafetensors } from '../../src/checkpoint/container/read-safetensors.js';
import { sniffContainer } from '../../src/checkpoint/container/sniff.js';
import { CHECKPOINT } from '../helpers/bundled.js';
import { GOLDEN, temporaryFolder } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';

// Commands, as calls: what they open is counted by the functions that open it.
vi.mock('../../cli/source.js', { spy: true });
vi.mock('../../src/base/sha256.js', { spy: true });
vi.mock('../../src/checkpoint/container/gzip.js', { spy: true });
vi.mock('../../src/checkpoint/container/read-archive.js', { spy: true });
vi.mock('../../src/checkpoint/container/read-safetensors.js', { spy: true });
vi.mock('../../src/checkpoint/container/sniff.js', { spy: true });

const tmp = temporaryFolder();
const packed = join(tmp, 'googlenet.pth.gz');
writeFileSync(packed, gzipSync(readFileSync(CHECKPOINT), { level: 1 }));
/** Two images of 64 pixels, from this very checkpoint. */
const golden = join(GOLDEN, 'googlenet.64.layers.golden.pth.gz');

let out = '';
let count = 0;
beforeEach(() => {
  out = join(tmp, `out${++count}`);
  vi.clearAllMocks();
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
});
afterEach(() => void vi.mocked(process.stdout.write).mockRestore());

/** What yargs gives where nothing is asked for. */
const DEFAULTS = {
  checkHash: true,
  strict: false,
  json: false,
  quiet: true,
  force: false,
  trainable: false,
  allowOtherCheckpoint: false,
  diagnose: true,
  backend: 'wasm',
  output: [],
};

type Command = CommandModule<object, never>;
const run = (command: unknown, args: object) =>
  (command as Command).handler({ ...DEFAULTS, ...args } as never);

const SIZE = readFileSync(CHECKPOINT).length;
const PACKED_SIZE = readFileSync(packed).length;

/** How often a function got that many bytes. */
const calls = (step: (bytes: Uint8Array, ...more: never[]) => unknown, size: number) =>
  vi.mocked(step).mock.calls.filter(([bytes]) => bytes.length === size).length;

/** How often each step was done to the gzipped checkpoint. */
const steps = () => ({
  read: vi.mocked(readSource).mock.calls.filter(([location]) => location === packed).length,
  sniffed: [calls(sniffContainer, PACKED_SIZE), calls(sniffContainer, SIZE)],
  gunzipped: calls(gunzip, PACKED_SIZE),
  hashed: calls(sha256, SIZE),
  parsed: calls(readZip, SIZE),
});
const ONCE = { read: 1, sniffed: [1, 1], gunzipped: 1, hashed: 1, parsed: 1 };

test('convert', async () => {
  await run(convertCommand, { checkpoint: packed, out });
  expect(steps()).toEqual(ONCE);
});

test('convert, judged as float32, and as each --quantize would store it', async () => {
  await run(convertCommand, { checkpoint: packed, out, golden, quantize: 'float16' });
  expect(steps()).toEqual(ONCE);
});

test('convert, refused and the cause found', SLOW, async () => {
  const args = { checkpoint: packed, out, golden, transformInput: true };
  await expect(run(convertCommand, args)).rejects.toThrow(/transform_input was off in PyTorch/);
  expect(steps()).toEqual(ONCE);
});

test('convert to safetensors, which are read back once', SLOW, async () => {
  await run(convertCommand, { checkpoint: packed, out: `${out}.safetensors`, golden });
  expect(steps()).toEqual(ONCE);
  expect(vi.mocked(readSafetensors)).toHaveBeenCalledTimes(1);
});

test('inspect', async () => {
  await run(inspectCommand, { checkpoint: packed, json: true });
  expect(steps()).toEqual(ONCE);
});

test('verify a checkpoint', SLOW, async () => {
  await run(verifyCommand, { model: packed, golden });
  expect(steps()).toEqual(ONCE);
});

test('verify a folder beside its checkpoint', SLOW, async () => {
  await run(convertCommand, { checkpoint: packed, out, imageSize: 64 });
  vi.clearAllMocks();
  await run(verifyCommand, { model: out, golden, checkpoint: packed });
  expect(steps()).toEqual(ONCE);
});
