import type { io } from '@tensorflow/tfjs-core';
import { isKernel } from '../network/weight-faults.js';
import type { NamedBytes } from './artifacts.js';
import { storedBytes } from './stored-bytes.js';
import type { StoredModel } from './stored-model.js';

/** A weight file of the right size that does not hold what TensorFlow.js will read. */
export interface SpoiltShard {
  readonly kind: 'zeros' | 'big-endian';
  /** As model.json calls it. */
  readonly name: string;
}

/** What a tensor takes of one weight file. */
export interface Stretch {
  readonly spec: io.WeightsManifestEntry;
  /** Bytes of one of its numbers. */
  readonly size: number;
  /** Where its first whole number in the file starts, and its last one ends. */
  readonly start: number;
  readonly end: number;
}

/** What each kind is, after `the weight file … `. */
const WHAT = {
  zeros: 'holds zeros alone, as an unfinished copy leaves',
  'big-endian': "holds big-endian numbers, each one's bytes the wrong way round",
} as const;

/** What to do about it. */
export const COPY_AGAIN =
  'copy it again from where the model was written, or convert the checkpoint again';

/** In words: `the weight file group1-shard2of7.bin holds zeros alone, …`. */
export function describeSpoilt({ kind, name }: SpoiltShard): string {
  return `the weight file ${name} ${WHAT[kind]}`;
}

const known = new WeakMap<StoredModel, readonly SpoiltShard[]>();

/** The weight files that have the right size, and that no sound model has; looked for once. */
export function findSpoiltShards(model: StoredModel): readonly SpoiltShard[] {
  const found = known.get(model) ?? lookForSpoilt(model);
  known.set(model, found);
  return found;
}

function lookForSpoilt({ shards, specs }: StoredModel): SpoiltShard[] {
  return stretchesOf(shards, specs).flatMap((stretches, i) => {
    const { name, bytes } = shards[i] as NamedBytes;
    const kind = kindOf(bytes, stretches);
    return kind === undefined ? [] : [{ kind, name }];
  });
}

function kindOf(bytes: Uint8Array, stretches: readonly Stretch[]): SpoiltShard['kind'] | undefined {
  if (isBigEndian(bytes, stretches)) return 'big-endian';
  const kernels = stretches.some(({ spec }) => isKernel(spec.name));
  return kernels && bytes.every((byte) => byte === 0) ? 'zeros' : undefined;
}

/** The names of the tensors that lie in some of the weight files, with all or part of their numbers. */
export function weightsIn(
  { shards, specs }: StoredModel,
  names: ReadonlySet<string>,
): ReadonlySet<string> {
  const inside = stretchesOf(shards, specs).filter((_, i) => names.has(shards[i]?.name ?? ''));
  return new Set(inside.flat().map(({ spec }) => spec.name));
}

/** For each weight file, the tensors whose numbers it holds. */
export function stretchesOf(
  shards: readonly NamedBytes[],
  specs: readonly io.WeightsManifestEntry[],
): readonly (readonly Stretch[])[] {
  let from = 0;
  return shards.map(({ bytes }) => {
    const to = from + bytes.length;
    const stretches = stretchesWithin(specs, from, to);
    from = to;
    return stretches;
  });
}

function stretchesWithin(
  specs: readonly io.WeightsManifestEntry[],
  from: number,
  to: number,
): Stretch[] {
  let at = 0;
  return specs.flatMap((spec) => {
    const [begin, finish] = [at, at + storedBytes(spec)];
    at = finish;
    const size = storedBytes({ ...spec, shape: [] });
    // A number may lie across two files.
    const start = begin + Math.ceil((Math.max(begin, from) - begin) / size) * size;
    const end = begin + Math.floor((Math.min(finish, to) - begin) / size) * size;
    return start < end ? [{ spec, size, start: start - from, end: end - from }] : [];
  });
}

/** The file with the bytes of each number turned round. */
export function turnNumbers(bytes: Uint8Array, stretches: readonly Stretch[]): Uint8Array {
  // A Buffer's slice would share its memory.
  const turned = Uint8Array.from(bytes);
  for (const { size, start, end } of stretches) {
    for (let at = start; at < end; at += size) turned.subarray(at, at + size).reverse();
  }
  return turned;
}

/** Enough to tell by. */
const SAMPLES = 4096;
const LEAST_SAMPLES = 16;

/**
 * Weights lie within some powers of two of each other. Read the wrong way round, their exponents are the
 * low bits of mantissas, and so anything; noise is that both ways.
 */
function isBigEndian(bytes: Uint8Array, stretches: readonly Stretch[]): boolean {
  const floats = stretches.filter(({ spec }) => isFloat(spec));
  const total = floats.reduce((sum, { size, start, end }) => sum + (end - start) / size, 0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let [seen, little, big] = [0, 0, 0];
  for (const { size, start, end } of floats) {
    const step = Math.ceil(total / SAMPLES) * size;
    for (let at = start; at < end; at += step) {
      const [right, wrong] = [true, false].map((order) => exponentAt(view, at, size, order));
      if (right === null || wrong === null) continue;
      seen++;
      if (isUnlikely(right as number, size)) little++;
      if (isUnlikely(wrong as number, size)) big++;
    }
  }
  // Of random exponents 71 % are unlikely in float32, 37 % in float16; of a network's, hardly any.
  return seen >= LEAST_SAMPLES && little > 0.2 * seen && big < little / 4;
}

const isFloat = ({ dtype, quantization }: io.WeightsManifestEntry) =>
  dtype === 'float32' && (quantization === undefined || quantization.dtype === 'float16');

/** The power of two of the number there; null for zero, which is the same both ways. */
function exponentAt(view: DataView, at: number, size: number, little: boolean): number | null {
  if (size === 2) {
    const half = view.getUint16(at, little);
    return half === 0 ? null : ((half >>> 10) & 0x1f) - 15;
  }
  const word = view.getUint32(at, little);
  return word === 0 ? null : ((word >>> 23) & 0xff) - 127;
}

/** Float16 has no more exponents below; those above 32 are no kernel's. */
function isUnlikely(exponent: number, size: number): boolean {
  return size === 2 ? exponent > 4 : exponent > 13 || exponent < -60;
}
