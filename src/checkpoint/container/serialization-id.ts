import type { ZipRecord } from './write-zip.js';

/**
 * The fingerprint that PyTorch puts into its archives: two 64-bit hashes in decimal, over the names
 * of the records and over their checksums. No reader depends on it. The names are combined in the
 * order in which an unordered set of GCC's C++ library walks them, so that order is worked out here;
 * it makes a file the same, byte for byte, as one that PyTorch wrote on Linux.
 * Sources: caffe2/serialize/inline_container.cc (writeSerializationId), c10/util/hash.h;
 * libstdc++'s hash_bytes.cc (MurmurHash64A), hashtable.h and hashtable_c++0x.cc.
 */

/** @param records in the order of writing, their names without the top folder */
export function serializationId(records: readonly ZipRecord[]): string {
  const names = setOrder(records.map(({ name }) => hashText(name)));
  // miniz hands on no checksum for a record that holds nothing.
  const full = records.filter(({ bytes }) => bytes.length > 0);
  const checksums = full.map(({ crc32 }) => BigInt(crc32));
  return [names, checksums].map((list) => String(combine(list)).padStart(20, '0')).join('');
}

const u64 = (value: bigint) => BigInt.asUintN(64, value);

function combine(hashes: readonly bigint[]): bigint {
  return hashes.reduce(
    (seed, hash) => seed ^ u64(hash + 0x9e3779b9n + (seed << 6n) + (seed >> 2n)),
    0n,
  );
}

const SEED = 0xc70f6907n;
const MULTIPLIER = 0xc6a4a7935bd1e995n;

/** libstdc++'s std::hash of a string. */
function hashText(text: string): bigint {
  const bytes = new TextEncoder().encode(text);
  const mix = (value: bigint) => value ^ (value >> 47n);
  const word = (start: number, end: number) =>
    bytes.subarray(start, end).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  let hash = SEED ^ u64(BigInt(bytes.length) * MULTIPLIER);
  let at = 0;
  for (; at + 8 <= bytes.length; at += 8) {
    hash ^= u64(mix(u64(word(at, at + 8) * MULTIPLIER)) * MULTIPLIER);
    hash = u64(hash * MULTIPLIER);
  }
  if (at < bytes.length) hash = u64((hash ^ word(at, bytes.length)) * MULTIPLIER);
  return mix(u64(mix(hash) * MULTIPLIER));
}

/** The numbers of buckets that a growing set goes through: primes that about double each time. */
const BUCKETS = [
  13, 29, 59, 127, 257, 541, 1109, 2357, 5087, 10273, 20753, 42043, 85229, 172933,
].map(BigInt);

/**
 * The order in which std::unordered_set walks what was inserted piece by piece: the youngest bucket
 * first, and in it the youngest hash; a set that grows inserts all of them again in that order.
 */
function setOrder(hashes: readonly bigint[]): bigint[] {
  let count = 1n;
  let buckets = new Map<bigint, bigint[]>();
  const order = () => [...buckets.values()].reverse().flatMap((bucket) => bucket.toReversed());
  const insert = (hash: bigint) => {
    const bucket = buckets.get(hash % count);
    if (bucket === undefined) buckets.set(hash % count, [hash]);
    else bucket.push(hash);
  };
  for (const [size, hash] of hashes.entries()) {
    if (size >= count) {
      const grown = order();
      count = BUCKETS.find((n) => n >= 2n * count) ?? 2n * count + 1n;
      buckets = new Map();
      grown.forEach(insert);
    }
    insert(hash);
  }
  return order();
}
