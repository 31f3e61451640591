import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isPth2tfjsError } from '../../src/base/errors.js';
import { ALLOWED_GLOBALS } from '../../src/checkpoint/pickle/globals.js';
import { OpaqueObject, OrderedDict } from '../../src/checkpoint/pickle/inert.js';
import { toFloat32 } from '../../src/checkpoint/tensor/float32.js';
import { TensorStorage, TensorView } from '../../src/checkpoint/tensor/tensor.js';
import { ELEMENTS } from '../helpers/pickle-writer.js';
import { drawSeed } from '../helpers/seed.js';

fc.configureGlobal({ seed: drawSeed('globals.test.ts') });

const CALLABLE = [...ALLOWED_GLOBALS].flatMap(([name, { call }]) =>
  call === undefined ? [] : [{ name, call }],
);

function newStorage(dtype: 'float32' | 'qint8' | undefined): TensorStorage {
  const storage = new TensorStorage('0', dtype, dtype === 'float32' ? 4 : 16);
  storage.attach(ELEMENTS, false);
  return storage;
}

const STORAGE = newStorage('float32');
const TENSOR = new TensorView('float32', [4], [1], 0, STORAGE);
const QUANTIZED = newStorage('qint8');
const FLOAT32 = ALLOWED_GLOBALS.get('torch.float32')?.value;
const CYCLE: unknown[] = [];
CYCLE.push(CYCLE, 1);

/** All that a pickle can put among the arguments of a call. */
const VALUES: readonly unknown[] = [
  ...[null, true, false, '', 'data', '__proto__', new Uint8Array(3), new Set([1])],
  ...[0, 1, 2, 4, -1, -4, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 1e300, 5n],
  ...[[], [4], [1], [2, 2], [2, 1], [0], [-1], ['4'], [null], [2 ** 52], [0.5], [5n], CYCLE],
  ...[Array(65).fill(1), Array(5).fill(2 ** 30), Array(40_000).fill(1)],
  ...[new Map(), new Map<unknown, unknown>([['neg', true]]), new Map([[1, 2]]), new OrderedDict()],
  ...[STORAGE, QUANTIZED, newStorage(undefined), new TensorStorage('1', 'float32', 2 ** 50)],
  ...[TENSOR, FLOAT32, ALLOWED_GLOBALS.get('torch.FloatStorage')?.value],
  new OpaqueObject('torch.Size', [[4]]),
  [null, 0.5, 3],
  [null, TENSOR, TENSOR, 0],
  [null, TENSOR, TENSOR, -1],
  [null, TENSOR, TENSOR, '__proto__'],
  [null, 5n, 5n],
];

/** Calls a builder and reads what comes of it; all failures must be tagged ones. */
function callAndRead(call: (typeof CALLABLE)[number]['call'], args: readonly unknown[]): unknown {
  try {
    const result = call(args, { entries: 1000 });
    if (result instanceof TensorView && result.numel < 2 ** 20) toFloat32(result);
    return result;
  } catch (error) {
    if (isPth2tfjsError(error)) return error;
    throw error;
  }
}

describe('a call with arguments that make no sense ends in a tagged error or in an inert value', () => {
  const functions = CALLABLE.map(
    ({ call }) =>
      (...args: unknown[]) =>
        call(args, { entries: 1000 }),
  );
  const value = fc.constantFrom(...VALUES, ...functions);
  const storage = fc.constantFrom(STORAGE, QUANTIZED, ...VALUES);
  const shape = fc.constantFrom([4], [2, 2], [], ...VALUES);
  const stride = fc.constantFrom([1], [2, 1], [], ...VALUES);
  const offset = fc.constantFrom(0, 0, 0, ...VALUES);
  const plausible = fc
    .tuple(storage, offset, shape, stride, value, value, value, value)
    .map((args) => [...args]);

  test.each(CALLABLE)('$name', ({ call }) => {
    for (const args of [[], ...VALUES.map((one) => [one]), VALUES]) callAndRead(call, args);
    const args = fc.oneof(fc.array(value, { maxLength: 9 }), plausible);
    fc.assert(
      fc.property(args, (chosen) => {
        callAndRead(call, chosen);
      }),
      { numRuns: 200 },
    );
  });

  test('the tensors that come of the rebuild functions lie within their storage', () => {
    const rebuild = CALLABLE.filter(({ name }) => name.includes('_rebuild_'));
    let tensors = 0;
    fc.assert(
      fc.property(fc.constantFrom(...rebuild), plausible, ({ call }, args) => {
        const result = callAndRead(call, args);
        if (!(result instanceof TensorView)) return;
        tensors++;
        expect(result.shape.every((size) => Number.isSafeInteger(size) && size >= 0)).toBe(true);
        const last = result.shape.reduce(
          (index, size, i) => index + (size - 1) * (result.strides[i] as number),
          result.offset,
        );
        if (result.numel > 0) expect(last).toBeLessThan(result.storage.byteLength);
      }),
      { numRuns: 5000 },
    );
    expect(tensors).toBeGreaterThan(5);
  });
});

describe('what the rebuild functions are given stays the pickle’s', () => {
  const call = (name: string, ...args: unknown[]) =>
    ALLOWED_GLOBALS.get(name)?.call?.(args, { entries: 1000 }) as TensorView;

  test.each(['_rebuild_tensor', '_rebuild_tensor_v2', '_rebuild_tensor_v3'])('%s', (name) => {
    const [size, stride] = [[4], [1]];
    const view = call(`torch._utils.${name}`, STORAGE, 0, size, stride, false, null, FLOAT32);
    size.push(-1, -1);
    stride[0] = 100;
    expect(view.shape).toEqual([4]);
    expect(view.strides).toEqual([1]);
  });

  test('two tensors do not share what they are told', () => {
    const size = [2, 2];
    const one = call('torch._utils._rebuild_tensor_v2', STORAGE, 0, size, [2, 1]);
    const two = call('torch._utils._rebuild_tensor_v2', STORAGE, 0, size, [1, 2]);
    expect(one.shape).not.toBe(two.shape);
  });
});

test('no allowed name is one that Python could run code through', () => {
  const banned =
    /(^|\.)(eval|exec|compile|getattr|setattr|__import__|open|system|popen|load|input)$/i;
  expect([...ALLOWED_GLOBALS.keys()].filter((name) => banned.test(name))).toEqual([]);
});

test('names of JavaScript are not found', () => {
  for (const name of ['constructor', '__proto__', 'toString', 'constructor.constructor']) {
    expect(ALLOWED_GLOBALS.get(name)).toBeUndefined();
  }
});
