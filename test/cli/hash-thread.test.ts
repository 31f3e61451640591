import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { checksums, prepareHashing, sha256 } from '../../cli/hash-thread.js';

/** More than one piece of what the thread hashes at once, in memory that it can see. */
function sharedBytes(length = 5_000_001): Uint8Array {
  const bytes = new Uint8Array(new SharedArrayBuffer(length));
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff;
  return bytes;
}

/** As Node computes it here. */
const digestOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const partsOf = (bytes: Uint8Array) => [
  bytes.subarray(0, 0),
  bytes.subarray(3, 4_000_000),
  bytes.subarray(4_999_999),
];

test('hashes on a thread, and computes checksums meanwhile', async () => {
  prepareHashing();
  const bytes = sharedBytes();
  const [digest, found] = await Promise.all([sha256(bytes), checksums(partsOf(bytes))]);
  expect(digest).toBe(digestOf(bytes));
  expect(found).toEqual(partsOf(bytes).map((part) => crc32(part)));
});

test('computes checksums where the thread is gone, or cannot see the memory', async () => {
  const bytes = sharedBytes();
  await sha256(bytes);
  const expected = partsOf(bytes).map((part) => crc32(part));
  expect(await checksums(partsOf(bytes))).toEqual(expected);
  prepareHashing();
  expect(await checksums(partsOf(bytes.slice()))).toEqual(expected);
  // Asked at the last moment: the thread is stopped as soon as the digest is there.
  const more = sharedBytes(5_000_001);
  const late = sha256(more).then(() => checksums(partsOf(more)));
  expect(await late).toEqual(expected);
});

test('hashes memory of its own, and a part of what is shared, as anywhere', async () => {
  const bytes = sharedBytes();
  for (const each of [bytes.slice(), bytes.slice().subarray(7), bytes.subarray(7)]) {
    expect(await sha256(each)).toBe(digestOf(each));
  }
});
