import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readLabels } from '../../cli/labels.js';
import { IMAGENET_LABELS } from '../../src/image/imagenet-labels.js';
import { parseLabels } from '../../src/index.js';
import { CHECKPOINT } from '../helpers/bundled.js';
import { expectFailure, pth2tfjs, temporaryFolder } from '../helpers/cli.js';
import { findPython, startPython } from '../helpers/python.js';

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
  const config = (more: object) =>
    JSON.stringify({ architectures: ['GoogLeNetForImageClassification'], num_labels: 3, ...more });

  it.each([
    ['lines', 'cat\ndog\nbird\n'],
    ['lines of Windows, with a byte order mark', '\ufeffcat\r\ndog\r\nbird'],
    ['lines of an old Mac', 'cat\rdog\rbird\r'],
    ['a JSON list', '["cat", "dog", "bird"]'],
    ['a JSON list with a byte order mark', '\ufeff\r\n["cat", "dog", "bird"]\r\n'],
    ['id2label', '{"0": "cat", "2": "bird", "1": "dog"}'],
    ['class_to_idx', '{"bird": 2, "cat": 0, "dog": 1}'],
    ['class_to_idx with numbers as text', '{"bird": "2", "cat": "0", "dog": "1"}'],
    [
      'imagenet_class_index.json',
      '{"0": ["n02121808", "cat"], "1": ["n02084071", "dog"], "2": ["n01503061", "bird"]}',
    ],
    ['a list of WordNet’s', '[["n02121808", "cat"], ["n02084071", "dog"], ["n01503061", "bird"]]'],
    ['a config.json of Hugging Face', config({ id2label: { 0: 'cat', 1: 'dog', 2: 'bird' } })],
    [
      'one with both ways',
      config({
        id2label: { 0: 'cat', 1: 'dog', 2: 'bird' },
        label2id: { cat: 0, dog: 1, bird: 2 },
      }),
    ],
    ['one with label2id alone', config({ label2id: { bird: 2, dog: '1', cat: 0 } })],
    ['weights.meta of torchvision', '{"min_size": [15, 15], "categories": ["cat", "dog", "bird"]}'],
    ['a checkpoint’s notes', '{"epoch": 7, "class_to_idx": {"bird": 2, "cat": 0, "dog": 1}}'],
  ])('as %s', (_, text) => {
    expect(parseLabels(text)).toEqual(['cat', 'dog', 'bird']);
  });

  it.each([
    // ImageFolder sorts folders as text.
    ['folders that are called by numbers', '{"0": 0, "10": 1, "2": 2}', ['0', '10', '2']],
    ['their inverse', '{"0": "0", "1": "10", "2": "2"}', ['0', '10', '2']],
    ['one class called labels', '{"labels": 0, "dog": 1}', ['labels', 'dog']],
    ['__proto__', '{"__proto__": 0, "constructor": 1}', ['__proto__', 'constructor']],
    [
      'names that come twice',
      '{"id2label": {"0": "crane", "1": "crane"}, "label2id": {"crane": 1}}',
      ['crane', 'crane'],
    ],
  ])('with %s', (_, text, labels) => {
    expect(parseLabels(text)).toEqual(labels);
  });

  it.each([
    ['an empty line', 'cat\n\nbird\n', /no name for class 1/],
    ['nothing', '', /no name for class 0/],
    ['an empty list', '[]', /no name for class 0/],
    ['an empty object', '{}', /no name for class 0/],
    ['a number among names', '["cat", 3]', /no name for class 1/],
    ['half a list', '["cat", ', /is no JSON/],
    ['indices with a gap', '{"0": "cat", "2": "bird"}', /the index 2; .* from 0 to 1/],
    ['indices from 1', '{"1": "cat", "2": "bird"}', /the index 2; .* from 0 to 1/],
    ['an index twice', '{"cat": 0, "dog": 0}', /the index 0 twice/],
    ['a key twice', '{"0": "cat", "0": "dog"}', /the key "0" comes twice/],
    ['an index with a fraction', '{"cat": 0, "dog": 1.5}', /'cat' where an index belongs/],
    ['__proto__ as an index', '{"__proto__": "cat"}', /'__proto__' where an index belongs/],
    ['a configuration without names', '{"num_labels": 3, "model_type": "googlenet"}', /an index/],
    [
      'two lists that differ',
      '{"id2label": {"0": "cat", "1": "dog"}, "label2id": {"cat": 1, "dog": 0}}',
      /other names under label2id than under id2label/,
    ],
    ['objects instead of names', '[{"id": 0, "name": "cat"}]', /no name for class 0/],
    ["Python's dict", "{0: 'tench',\n 1: 'goldfish'}", /is no JSON/],
  ])('refuses %s', (_, text, message) => {
    expect(() => parseLabels(text)).toThrow(
      expect.objectContaining({
        code: 'usage',
        message: expect.stringMatching(message),
        hint: expect.any(String),
      }),
    );
  });
});

describe('the file of --labels', () => {
  const folder = temporaryFolder();
  const read = async (name: string, bytes: Uint8Array) => {
    writeFileSync(join(folder, name), bytes);
    return (await readLabels(join(folder, name))).labels;
  };

  it('may be text of Windows, with its byte order mark', async () => {
    const names = ['Größe', '猫'];
    const text = `\ufeff${names.join('\r\n')}\r\n`;
    expect(await read('utf8.txt', Buffer.from(text))).toEqual(names);
    expect(await read('le.txt', Buffer.from(text, 'utf16le'))).toEqual(names);
    expect(await read('be.txt', Buffer.from(text, 'utf16le').swap16())).toEqual(names);
  });

  it('must be text', async () => {
    const wrong = {
      code: 'usage',
      message: expect.stringMatching(/latin\.txt: .*no text in UTF-8/),
    };
    await expect(read('latin.txt', Buffer.from('Größe', 'latin1'))).rejects.toMatchObject(wrong);
  });

  it.skipIf(python === undefined)(
    'may be what Python writes of ImageFolder’s classes',
    async () => {
      const code = `
import json, os, sys
from torchvision.datasets import ImageFolder
root = sys.argv[1]
for name in ("10", "9", "cat \\u00e9", "tench"):
    os.makedirs(os.path.join(root, name), exist_ok=True)
    open(os.path.join(root, name, "a.png"), "w").close()
data = ImageFolder(root)
json.dump(data.class_to_idx, open(os.path.join(root, "a.json"), "w"))
json.dump({v: k for k, v in data.class_to_idx.items()}, open(os.path.join(root, "b.json"), "w"))
json.dump(data.classes, open(os.path.join(root, "c.json"), "w"))
print(json.dumps(data.classes))`;
      const root = join(folder, 'images');
      const { stdout } = await startPython(python as string, '-c', code, root);
      const classes = JSON.parse(stdout);
      expect(classes).toHaveLength(4);
      for (const name of ['a.json', 'b.json', 'c.json']) {
        expect((await readLabels(join(root, name))).labels).toEqual(classes);
      }
    },
  );
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
