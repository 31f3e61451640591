/** ONNX files that are damaged, or made to do harm, before any runtime sees them. */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isPth2tfjsError } from '../../src/base/errors.js';
import { StoredOnnx } from '../../src/stored-model/stored-onnx.js';
import { decodeModel, isOnnx } from '../../src/targets/onnx/decode.js';
import { encodeModel, type OnnxModel } from '../../src/targets/onnx/encode.js';
import { drawSeed } from '../helpers/seed.js';

const seed = drawSeed('onnx-files.test.ts');

const MODEL: OnnxModel = {
  graph: {
    nodes: [
      {
        op: 'Conv',
        name: 'conv',
        inputs: ['x', 'w'],
        output: 'c',
        attributes: { pads: [0, 0, 1, 1], group: 1, alpha: { float: 0.5 } },
      },
      { op: 'GlobalAveragePool', name: 'pool', inputs: ['c'], output: 'p', attributes: {} },
      { op: 'Flatten', name: 'flat', inputs: ['p'], output: 'y', attributes: { axis: 1 } },
    ],
    input: { name: 'x', type: 'float32', shape: ['N', 3, 4, 4] },
    output: { name: 'y', type: 'float32', shape: ['N', 2] },
  },
  name: 'small',
  tensors: [{ name: 'w', shape: [2, 3, 1, 1], type: 'float32', bytes: new Uint8Array(24).fill(7) }],
  producer: { name: 'pth2tfjs', version: '0' },
  metadata: { labels: '["a", "b"]' },
};
const FILE = encodeModel(MODEL);

/** A message of one field. */
function field(number: number, bytes: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish();
}

const text = (number: number, value: string) => field(number, new TextEncoder().encode(value));
const integer = (number: number, value: number) =>
  new BinaryWriter().tag(number, WireType.Varint).int64(value).finish();

/** The file with more in its graph: what a message says twice is joined. */
function withInGraph(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from([...FILE, ...field(7, Uint8Array.from(parts.flatMap((p) => [...p])))]);
}

describe('an ONNX file', () => {
  test('reads as it was written', () => {
    const { nodes, tensors, inputs, outputs, metadata, producer, opset } = decodeModel(FILE);
    const { graph } = MODEL;
    expect(nodes).toEqual(
      graph.nodes.map(({ output, ...node }) => ({ ...node, outputs: [output] })),
    );
    expect([...tensors.values()]).toEqual(MODEL.tensors);
    expect([inputs, outputs]).toEqual([[graph.input], [graph.output]]);
    expect(Object.fromEntries(metadata)).toEqual(MODEL.metadata);
    expect([producer, opset]).toEqual(['pth2tfjs', 17]);
    expect(new StoredOnnx(FILE).signature).toMatchObject({ imageSize: 4, numClasses: 2 });
  });

  test('that is damaged is read or refused, and nothing else', () => {
    const change = fc.array(fc.tuple(fc.nat(FILE.length - 1), fc.nat(255)), { maxLength: 6 });
    const cut = fc.option(fc.nat(FILE.length), { nil: FILE.length });
    let refused = 0;
    fc.assert(
      fc.property(change, cut, (changes, length) => {
        const bytes = FILE.slice(0, length);
        for (const [at, value] of changes) if (at < length) bytes[at] = value;
        try {
          void new StoredOnnx(bytes).provenance;
        } catch (error) {
          refused++;
          expect(isPth2tfjsError(error), String(error)).toBe(true);
        }
      }),
      { seed, numRuns: 3000 },
    );
    expect(refused).toBeGreaterThan(500);
  });

  const tensor = [text(8, 'v'), integer(2, 1), integer(1, 3)];
  const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
  test.each([
    [
      'weights in another file',
      withInGraph(field(5, join(...tensor, integer(14, 1)))),
      'unsupported',
      /keeps v in another file, which is not read/,
    ],
    [
      'weights of another file in a constant',
      withInGraph(field(1, join(text(4, 'Constant'), field(5, field(5, integer(14, 1)))))),
      'unsupported',
      /in another file/,
    ],
    [
      'a graph inside of a node',
      withInGraph(field(1, join(text(4, 'Loop'), field(5, join(text(1, 'body'), integer(20, 5)))))),
      'unsupported',
      /a graph inside of a node/,
    ],
    [
      'operators of another domain',
      withInGraph(field(1, join(text(4, 'Shell'), text(7, 'com.evil')))),
      'unsupported',
      /the operator Shell of the domain 'com\.evil'/,
    ],
    [
      'fewer bytes than a tensor has',
      withInGraph(field(5, join(...tensor, field(9, new Uint8Array(8))))),
      'model',
      /v has 8 bytes where its shape wants 12/,
    ],
    [
      'a million empty nodes',
      withInGraph(new Uint8Array(2 ** 22).map((_, i) => (i % 2 ? 0 : 0x0a))),
      'limit',
      /more fields than any network needs/,
    ],
    [
      'a million sides',
      withInGraph(field(5, field(1, new Uint8Array(2 ** 20)))),
      'limit',
      /more fields/,
    ],
    [
      'groups in groups',
      Uint8Array.from([...FILE, ...new Uint8Array(2 ** 20).fill((9 << 3) | 3)]),
      'model',
      /no ONNX model, or only a part of one/,
    ],
  ])('of %s is refused', (_, bytes, code, message) => {
    const started = performance.now();
    expect(() => new StoredOnnx(bytes)).toThrow(expect.objectContaining({ code }));
    expect(() => new StoredOnnx(bytes)).toThrow(message);
    // Generous, for slow machines: to hang would take minutes.
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  test('is told from checkpoints', () => {
    expect(isOnnx(FILE)).toBe(true);
    const safetensors = Uint8Array.from([8, 1, 0x12, 0, 0, 0, 0, 0, 0x7b]);
    const others = [[0x50, 0x4b, 3, 4], [0x80, 2, 0x8a], [0x1f, 0x8b], [0x7b], []];
    for (const bytes of [safetensors, ...others]) {
      expect(isOnnx(Uint8Array.from(bytes))).toBe(false);
    }
  });
});
