import { describe, expect, it, test } from 'vitest';
import { summary } from '../../src/index.js';
import { measureModules } from '../../src/network/summary.js';
import { googlenet } from '../../src/networks/googlenet.js';
import { findPython, runPython } from '../helpers/python.js';

const python = await findPython('shapes and multiply-accumulates against PyTorch');

describe.skipIf(python === undefined).each([
  [224, 1000, 'aux'],
  [97, 10, 'aux'],
  [15, 3, 'plain'],
] as const)('at %i pixels, %i classes, %s', (imageSize, numClasses, heads) => {
  const auxClasses = heads === 'aux' ? ([numClasses, numClasses] as const) : undefined;
  const options = { imageSize, numClasses, auxClasses, branch3Kernel: 3 } as const;

  it('measures every module as PyTorch does', async () => {
    const args = [String(imageSize), String(numClasses), heads];
    const printed = await runPython(python as string, 'test/network/summary.py', ...args);
    const truth = JSON.parse(printed);
    const modules = measureModules(googlenet(options), [3, imageSize, imageSize]);
    const rows = modules.map(({ path, output, parameters, macs }) => {
      return [path, output, parameters, macs];
    });
    expect(rows).toEqual(truth.rows);
    const [totals, ...tree] = summary({ options }).split('\n').toReversed().slice(1);
    expect(totals).toMatch(/parameters/);
    const bare = tree.toReversed().map((line) => line.replace(/ +# .*$/, ''));
    expect(bare.join('\n')).toBe(truth.print);
  });
});

test('the totals are the published ones', () => {
  const options = {
    imageSize: 224,
    numClasses: 1000,
    auxClasses: [1000, 1000],
    branch3Kernel: 3,
  } as const;
  const lines = summary({ options }).split('\n');
  // torchvision's documentation of GoogLeNet_Weights: 6,624,904 parameters, 1.50 GFLOPS.
  expect(lines.slice(-2)).toEqual([
    '6,624,904 parameters; with auxiliary heads 13,004,888',
    '1.50 GMAC an image of 224x224',
  ]);
  const other = summary({ options: { ...options, dropout: 0, dropoutAux: 0.5 } });
  expect(other.match(/Dropout\(p=[\d.]+/g)).toEqual([
    'Dropout(p=0.5',
    'Dropout(p=0.5',
    'Dropout(p=0.0',
  ]);
});
