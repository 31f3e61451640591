/** Faults in the numbers and the bytes that the shards hold. */
import { editWeights, type Weight } from './files.js';
import { inBytes, inShards, inWeight, inWeights, type Weights } from './planting.js';
import { type Fault, type FaultRow, faultsOf } from './types.js';

// ---------------------------------------------------------------- single tensors

const corrupt = inWeight.bind(null, 'corrupt-tensor');

/** Multiplies or divides the largest number by 256, as a flipped bit of its exponent does. */
function flipExponentBit({ data }: Weight): void {
  let at = 0;
  for (const [i, value] of data.entries()) {
    if (Math.abs(value) > Math.abs(data[at] as number)) at = i;
  }
  const bits = new Int32Array(data.buffer, data.byteOffset, data.length);
  bits[at] = (bits[at] as number) ^ (1 << 26);
}

/** Swaps two output channels, the innermost dimension. */
export function swapOutputs({ shape, data }: Weight, a: number, b: number): void {
  const outputs = shape.at(-1) as number;
  for (let at = 0; at < data.length; at += outputs) {
    const kept = data[at + a] as number;
    data[at + a] = data[at + b] as number;
    data[at + b] = kept;
  }
}

export function scale(data: Float32Array, factor: number): void {
  for (const [i, value] of data.entries()) data[i] = value * factor;
}

/** A thousandth part of noise, the same in every run. */
function addNoise({ data }: Weight): void {
  for (const [i, value] of data.entries()) data[i] = value * (1 + 2e-3 * Math.sin(12.9898 * i));
}

export function exchange(weights: Weights, a: string, b: string): void {
  const [one, other] = [weights.get(a) as Weight, weights.get(b) as Weight];
  const kept = one.data.slice();
  one.data.set(other.data);
  other.data.set(kept);
}

const TENSORS: readonly FaultRow[] = [
  corrupt('zeroed', 'inception4e.branch3.1/kernel', ({ data }) => data.fill(0)),
  corrupt('one per cent too large', 'inception3b.branch2.1/kernel', ({ data }) =>
    scale(data, 1.01),
  ),
  corrupt('negative', 'inception5a.branch1/kernel', ({ data }) => scale(data, -1)),
  corrupt('with two channels swapped', 'conv2/kernel', (weight) => swapOutputs(weight, 3, 40)),
  corrupt('with a bit flipped', 'inception3a.branch3.1/kernel', flipExponentBit),
  corrupt('with noise', 'inception4c.branch2.1/kernel', addNoise),
  corrupt('lost', 'inception4d.branch2.0/bias', ({ data }) => data.fill(0)),
  corrupt('reversed', 'inception5b.branch4.1/bias', ({ data }) => data.reverse()),
  corrupt('with a number that is none', 'inception4a.branch1/kernel', ({ data }) =>
    data.fill(NaN, 0, 1),
  ),
  corrupt('lost', 'fc/bias', ({ data }) => data.fill(0)),
  corrupt('with two classes swapped', 'fc/kernel', (weight) => swapOutputs(weight, 2, 11)),
  corrupt('half empty', 'inception5b.branch2.1/kernel', ({ data }) => {
    data.fill(0, data.length / 2);
  }),
  [
    'two tensors exchanged',
    { id: 'tensors-exchanged' },
    inWeights((weights) => {
      exchange(weights, 'inception4b.branch4.1/kernel', 'inception4c.branch4.1/kernel');
    }),
    'inception4b.branch4.1',
  ],
  [
    'transform_input with the sign of its offset lost',
    { id: 'corrupt-tensor', where: 'transform_input/bias' },
    ({ transformed: { files, golden } }) => ({
      files: editWeights(files, (weights) => {
        scale((weights.get('transform_input/bias') as Weight).data, -1);
      }),
      golden,
    }),
    'conv1',
  ],
];

// ---------------------------------------------------------------- bytes

export function toBigEndian(bytes: Uint8Array<ArrayBuffer>): void {
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += 4) {
    view.setUint32(at, view.getUint32(at, true), false);
  }
}

/** Moves all bytes from `start` on, and lets the last ones fall off the end. */
function shift(bytes: Uint8Array, start: number, by: number): void {
  bytes.copyWithin(start + by, start);
}

/** Rounds to the upper bits of float32, to nearest. */
export function keepBits(data: Float32Array, dropped: number): void {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const half = 2 ** (dropped - 1);
  for (const [i, word] of bits.entries()) {
    bits[i] = Math.floor((word + half) / 2 ** dropped) * 2 ** dropped;
  }
}

/** Rounds to float16, whose smallest numbers lie 2^-24 apart. */
export function toFloat16(data: Float32Array): void {
  const rounded = data.slice();
  keepBits(rounded, 13);
  for (const [i, value] of data.entries()) {
    const small = Math.abs(value) < 2 ** -14;
    data[i] = small ? Math.round(value * 2 ** 24) / 2 ** 24 : (rounded[i] as number);
  }
}

/** Rounds to 127 steps on either side of zero. */
function toInt8(data: Float32Array): void {
  const step = data.reduce((max, value) => Math.max(max, Math.abs(value)), 0) / 127;
  for (const [i, value] of data.entries()) data[i] = Math.round(value / step) * step;
}

export const inAll = (edit: (data: Float32Array) => void) =>
  inWeights((weights) => {
    for (const { data } of weights.values()) edit(data);
  });

const SHARDS: readonly FaultRow[] = [
  ['two shards swapped', null, inShards(([a, b, ...rest]) => [b, a, ...rest] as Uint8Array[])],
  [
    'a shard of zeros',
    null,
    inShards((shards) =>
      shards.map((shard, i) => (i === 2 ? new Uint8Array(shard.length) : shard)),
    ),
  ],
  ['a shard cut off', null, inShards((shards) => shards.map((s, i) => (i === 1 ? s.slice(4) : s)))],
  ['bytes moved by one', null, inBytes((bytes) => shift(bytes, 2 ** 20, 1))],
  ['numbers moved by one', null, inBytes((bytes) => shift(bytes, 2 ** 22, 4))],
  ['bytes in big-endian order', null, inBytes(toBigEndian)],
  ['weights in float16', { id: 'precision-float16' }, inAll(toFloat16)],
  ['weights in bfloat16', null, inAll((data) => keepBits(data, 16))],
  ['weights in int8', null, inAll(toInt8)],
];

export const WEIGHT_FAULTS: readonly Fault[] = faultsOf('artifacts', [...TENSORS, ...SHARDS]);
