import { beforeAll, describe, expect, test } from 'vitest';
import { type StateDict, TensorStorage, TensorView } from '../../src/checkpoint/tensor/tensor.js';
import { MappingError } from '../../src/network/mapping-error.js';
import { matchStateDict, NETWORK_KEYS } from '../../src/networks/match.js';
import { bundledStateDict } from '../helpers/bundled.js';

let bundled: StateDict;
beforeAll(async () => {
  bundled = await bundledStateDict();
});

const tensor = (...shape: number[]): TensorView => {
  const numel = shape.reduce((a, b) => a * b, 1);
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  return new TensorView('float32', shape, strides, 0, new TensorStorage('0', 'float32', numel));
};

/** The bundled state dict with some tensors replaced, added or, where undefined, left out. */
function changed(changes: Readonly<Record<string, TensorView | undefined>>): StateDict {
  const copy = new Map(bundled);
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) copy.delete(key);
    else copy.set(key, value);
  }
  return copy;
}

function mappingError(stateDict: StateDict, otherKeys: string[] = []): MappingError {
  try {
    const others = new Map(otherKeys.map((key) => [key, 'a number']));
    matchStateDict(stateDict, { name: 'model', others, otherKeys });
  } catch (error) {
    if (error instanceof MappingError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

const without = (pattern: RegExp): StateDict =>
  changed(
    Object.fromEntries(
      [...bundled.keys()].filter((key) => pattern.test(key)).map((key) => [key, undefined]),
    ),
  );

describe('a state dict that fits', () => {
  test('names the keys that inference does not use', () => {
    const match = matchStateDict(bundled);
    expect(match).toMatchObject({ branch3Kernel: 3, numClasses: 1000, auxLogits: true });
    const counters = match.ignored.filter((key) => key.endsWith('num_batches_tracked'));
    const aux = match.ignored.filter((key) => /^aux[12]\./.test(key));
    expect([match.ignored.length, counters.length, aux.length]).toEqual([77, 59, 20]);
  });

  test('may lack the auxiliary heads, and the counters that torch 0.4.1 brought', () => {
    const match = matchStateDict(without(/^aux|num_batches_tracked$/));
    expect(match).toMatchObject({ auxLogits: false, ignored: [] });
  });

  test('may have any number of classes, and others in its auxiliary heads', () => {
    const head = { 'fc.weight': tensor(3, 1024), 'fc.bias': tensor(3) };
    expect(matchStateDict(changed(head)).numClasses).toBe(3);
  });

  test('may have the paper’s 5x5 kernels, in every branch3 or none', () => {
    const kernels = Object.fromEntries(
      [...bundled]
        .filter(([key]) => /branch3\.1\.conv\.weight$/.test(key))
        .map(([key, { shape }]) => [key, tensor(shape[0] as number, shape[1] as number, 5, 5)]),
    );
    expect(matchStateDict(changed(kernels)).branch3Kernel).toBe(5);
    const [[odd] = []] = Object.entries(kernels).slice(4);
    const { mismatched } = mappingError(
      changed({ ...kernels, [odd as string]: bundled.get(odd as string) }),
    );
    expect(mismatched.map(({ key }) => key)).toEqual([odd]);
  });

  test('may have auxiliary heads of another kind, or one alone, which inference does not use', () => {
    const one = matchStateDict(without(/^aux2/));
    expect(one).toMatchObject({ auxLogits: false, auxClasses: undefined });
    expect(one.auxProblem).toMatch(/^9 missing \(aux2\.conv\.conv\.weight/);
    expect(one.ignored.filter((key) => key.startsWith('aux1.'))).toHaveLength(10);
    const other = matchStateDict(changed({ 'aux1.fc2.weight': tensor(10, 512) }));
    expect(other.auxProblem).toMatch(/aux1\.fc2\.weight \[10, 512\] instead of \[10, 1024\]/);
  });

  test('may be an average with its step counter', () => {
    expect(matchStateDict(changed({ n_averaged: tensor() })).ignored).toContain('n_averaged');
  });
});

describe('a state dict that does not fit is refused whole', () => {
  test('with what is missing', () => {
    const { missing, unexpected, mismatched, message } = mappingError(
      without(/^inception3a\.branch1\./),
    );
    expect(missing).toHaveLength(5);
    expect([unexpected, mismatched]).toEqual([[], []]);
    expect(message).toMatch(
      /'model' does not fit GoogLeNet: 5 missing \(inception3a\.branch1\.conv\.weight, /,
    );
  });

  test('with what is unexpected, in its modules or in one of its own', () => {
    const { missing, unexpected } = mappingError(
      changed({ 'conv1.conv.bias': tensor(64), 'extra.weight': tensor(2) }),
      ['epoch'],
    );
    expect([missing, unexpected]).toEqual([[], ['conv1.conv.bias', 'extra.weight']]);
  });

  test('with what is no tensor where one belongs', () => {
    const { missing, message } = mappingError(changed({ 'conv1.conv.weight': undefined }), [
      'conv1.conv.weight',
    ]);
    expect(missing).toEqual([]);
    expect(message).toMatch(/GoogLeNet: conv1\.conv\.weight is a number, not a tensor$/);
  });

  test('with what has another shape or kind', () => {
    const complex = new TensorView(
      'complex64',
      [64],
      [1],
      0,
      new TensorStorage('0', 'complex64', 64),
    );
    const { mismatched } = mappingError(
      changed({
        'conv2.conv.weight': tensor(64, 64, 3, 3),
        'conv1.bn.bias': complex,
        'fc.bias': tensor(10),
      }),
    );
    expect(mismatched).toEqual([
      { key: 'conv1.bn.bias', found: 'complex64 [64]', expected: '[64]' },
      { key: 'conv2.conv.weight', found: '[64, 64, 3, 3]', expected: '[64, 64, 1, 1]' },
      { key: 'fc.bias', found: '[10]', expected: '[1000]' },
    ]);
  });

  test('with a head without classes', () => {
    expect(
      mappingError(changed({ 'fc.weight': tensor(0, 1024), 'fc.bias': tensor(0) })).mismatched,
    ).toHaveLength(2);
  });
});

describe('what other tools leave behind is told apart', () => {
  const base = () => ({ 'fc.weight': undefined, 'fc.bias': undefined });
  test.each([
    [
      {
        'conv1.conv.weight_orig': tensor(64, 3, 7, 7),
        'conv1.conv.weight_mask': tensor(64, 3, 7, 7),
      },
      /prune\.remove/,
    ],
    [
      { 'conv1.conv.weight_g': tensor(64, 1, 1, 1), 'conv1.conv.weight_v': tensor(64, 3, 7, 7) },
      /remove_weight_norm/,
    ],
    [
      { ...base(), 'fc.1.weight': tensor(5, 1024), 'fc.1.bias': tensor(5) },
      /sd\['fc\.weight'\] = sd\.pop\('fc\.1\.weight'\)/,
    ],
  ])('%#', (changes, hint) => {
    expect(mappingError(changed(changes)).hint).toMatch(hint);
  });

  test('and nothing is advised where nothing is known', () => {
    expect(mappingError(changed({ 'extra.weight': tensor(1) })).hint).toBeUndefined();
  });
});

test('the keys that tell this network from others are those that PyTorch saved', () => {
  const counters = [...bundled.keys()].filter((key) => key.endsWith('num_batches_tracked'));
  const aux = [...bundled.keys()].filter((key) => /^aux/.test(key));
  const main = [...bundled.keys()].filter((key) => !counters.includes(key) && !aux.includes(key));
  expect([...NETWORK_KEYS]).toEqual(main);
});
