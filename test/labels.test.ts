import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { IMAGENET_LABELS } from '../src/imagenet-labels.js';
import { parseLabels } from '../src/index.js';
import { CHECKPOINT } from './helpers/bundled.js';
import { expectFailure, pth2tfjs, temporaryFolder } from './helpers/cli.js';
import { findPython, startPython } from './helpers/python.js';

const python = await findPython("ImageNet's names against torchvision");

describe("ImageNet's names", () => {
  it.skipIf(python === undefined)('are those that torchvision gives', async () => {
    const ask =
      'import json; from torchvision.models import GoogLeNet_Weights as w; print(json.dumps(w.IMAGENET1K_V1.meta["categories"]))';
    const { stdout } = await startPython(python as string, '-c', ask);
    expect(IMAGENET_LABELS).toEqual(JSON.parse(stdout));
  });

  it('are a thousand, in the well-known places', () => {
    expect(IMAGENET_LABELS).toHaveLength(1000);
    expect([0, 281, 999].map((index) => IMAGENET_LABELS[index])).toEqual([
      'tench',
      'tabby',
      'toilet tissue',
    ]);
  });
});

describe('a list of labels', () => {
  it.each([
    ['lines', 'cat\ndog\nbird\n'],
    ['lines of Windows, with a byte order mark', '\ufeffcat\r\ndog\r\nbird'],
    ['a JSON list', '["cat", "dog", "bird"]'],
    ['id2label', '{"0": "cat", "2": "bird", "1": "dog"}'],
    ['class_to_idx', '{"bird": 2, "cat": 0, "dog": 1}'],
  ])('as %s', (_, text) => {
    expect(parseLabels(text)).toEqual(['cat', 'dog', 'bird']);
  });

  it.each([
    ['an empty line', 'cat\n\nbird\n', /no name for class 1/],
    ['nothing', '', /no name for class 0/],
    ['a number among names', '["cat", 3]', /no name for class 1/],
    ['half a list', '["cat", ', /is no JSON/],
    ['indices with a gap', '{"0": "cat", "2": "bird"}', /the index 2; .* from 0 to 1/],
    ['an index twice', '{"cat": 0, "dog": 0}', /the index 0/],
    ['__proto__ as an index', '{"__proto__": "cat"}', /index NaN/],
  ])('refuses %s', (_, text, message) => {
    expect(() => parseLabels(text)).toThrow(message);
  });
});

describe('convert --labels', () => {
  const checkpoint = CHECKPOINT;
  const folder = temporaryFolder();
  const convert = (out: string, labels: string) =>
    pth2tfjs('convert', checkpoint, join(folder, out), '--no-transform-input', '--labels', labels);
  const kept = (out: string) => {
    const json = JSON.parse(readFileSync(join(folder, out, 'model.json'), 'utf8'));
    return json.userDefinedMetadata.pth2tfjs.labels;
  };

  it("keeps a file's names, or ImageNet's, in model.json", async () => {
    const names = Array.from({ length: 1000 }, (_, i) => `name ${i}`);
    const path = join(folder, 'names.txt');
    writeFileSync(path, names.join('\n'));
    expect((await convert('own', path)).stdout).toMatch(/^labels +name 0, name 1, …, name 999$/m);
    expect(kept('own')).toEqual(names);
    await convert('imagenet', 'imagenet');
    expect(kept('imagenet')).toEqual(IMAGENET_LABELS);
  });

  it('refuses names that are not as many as the classes, and a file that is not there', async () => {
    const path = join(folder, 'few.txt');
    writeFileSync(path, 'cat\ndog\n');
    expectFailure(await convert('few', path), 2, /2 labels for a model of 1000 classes; give one/);
    expectFailure(await convert('none', join(folder, 'none.txt')), 2, /no such file/);
  });
});
