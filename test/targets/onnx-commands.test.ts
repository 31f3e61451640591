/** `convert` to ONNX, as it is typed. What is in the file, test/oracle/onnx.test.ts tells. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../src/index.js';
import { CHECKPOINT } from '../helpers/bundled.js';
import { expectFailure, GOLDEN, pth2tfjs, temporaryFolder } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
const convert = (out: string, ...options: string[]) =>
  pth2tfjs('convert', CHECKPOINT, at(out), '--no-transform-input', ...options);

describe('convert to ONNX', () => {
  it('writes one file where its name ends in .onnx', async () => {
    const run = await convert('googlenet.onnx');
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/^model +ONNX, opset 17/m);
    expect(run.stdout).toMatch(/^input +NCHW, 224x224 RGB, ImageNet normalisation$/m);
    const options = {
      format: 'onnx',
      transformInput: false,
      sourceName: basename(CHECKPOINT),
    } as const;
    const { files } = await convertCheckpoint(readFileSync(CHECKPOINT), options);
    expect(readFileSync(at('googlenet.onnx')).equals(files[0]?.bytes as Uint8Array)).toBe(true);
  });

  it('writes a folder where it is asked for by --format', SLOW, async () => {
    expect((await convert('folder', '--format', 'onnx')).status).toBe(0);
    expect(readdirSync(at('folder'))).toEqual(['model.onnx']);
    const inspected = await pth2tfjs('inspect', at('folder'));
    expect(inspected).toMatchObject({ status: 0, stderr: '' });
    expect(inspected.stdout).toMatch(/: ONNX model, 1 file, 26,\d\d\d,\d\d\d bytes$/m);
    expect(inspected.stdout).toMatch(/^input: NCHW, 224x224 RGB, normalized$/m);
  });

  it('replaces a file only with --force', SLOW, async () => {
    expect((await convert('twice.onnx')).status).toBe(0);
    expectFailure(await convert('twice.onnx'), 2, /twice\.onnx is there already/);
    expect((await convert('twice.onnx', '--force', '--input', 'pixels')).status).toBe(0);
  });

  it.each([
    [['--quantize', 'uint8'], /--quantize uint8 goes with TensorFlow\.js's formats/],
    [['--trainable'], /--trainable goes with --format layers/],
    [['--format', 'layers'], /refused\.onnx ends in \.onnx, and --format is layers; drop --format/],
    [
      ['--golden', join(GOLDEN, 'googlenet.golden.pth.gz')],
      /needs the package onnxruntime-node, which is not installed; npm install onnxruntime-node/,
    ],
  ])('refuses %s, and leaves nothing behind', async (options, message) => {
    expectFailure(await convert('refused.onnx', ...options), 2, message);
    expect(existsSync(at('refused.onnx'))).toBe(false);
  });
});
