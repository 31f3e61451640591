/** Mistakes in the bytes of the shards. */
import { inBytes, inShards } from '../planting.js';
import { toBigEndian } from '../weights.js';
import { artifact } from './artifact.js';
import { ALWAYS, type Further, UNNAMEABLE } from './types.js';

const replaced = (text: string) =>
  inShards((shards) =>
    shards.map((shard, i) => (i === 1 ? new TextEncoder().encode(text) : shard)),
  );

const PAGE = `<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>\n`;
const POINTER = `version https://git-lfs.github.com/spec/v1\noid sha256:${'4d7a'.repeat(16)}\nsize 4194304\n`;

/** By name, since TensorFlow.js calls them so. */
const SHARD = /shard/i;

export const SHARDS: readonly Further[] = [
  artifact('a shard in big-endian order', [/endian|byte order|bytes? (are )?swapped/i], (sound) =>
    inShards((shards) => shards.map((shard, i) => (i === 1 ? bigEndian(shard) : shard)))(sound),
  ),
  artifact('three shards in a circle', [/shard|order/i], (sound) =>
    inShards(([a, b, c, ...rest]) => [b, c, a, ...rest] as Uint8Array[])(sound),
  ),
  artifact(
    'a shard cut short by a half',
    [/shard|bytes/i, /short|truncat|cut|less|only|instead|incomplete|where/i],
    (sound) =>
      inShards((shards) => shards.map((s, i) => (i === 2 ? s.slice(0, s.length / 2) : s)))(sound),
    ALWAYS,
  ),
  artifact('a shard with bytes too many', [/shard|bytes/i, /long|more|instead|where/i], (sound) =>
    inShards((shards) => shards.map((s, i) => (i === 0 ? new Uint8Array([...s, 0, 0, 0, 0]) : s)))(
      sound,
    ),
  ),
  artifact('a page in the place of a shard', [SHARD, /html|page/i], replaced(PAGE)),
  artifact('an LFS pointer in the place of a shard', [SHARD, /lfs|pointer/i], replaced(POINTER)),
  artifact(
    'bytes of a shard moved by four',
    [SHARD, /mov|shift|offset|differ|changed|damaged|corrupt/i],
    (sound) =>
      inShards((shards) => shards.map((shard, i) => (i === 2 ? shard.copyWithin(4, 0) : shard)))(
        sound,
      ),
    UNNAMEABLE,
  ),
  artifact('the last shard of zeros', [/zero|shard|empty/i], (sound) =>
    inShards((shards) =>
      shards.map((shard, i) => (i === shards.length - 1 ? new Uint8Array(shard.length) : shard)),
    )(sound),
  ),
  artifact(
    'the numbers of two halves of all bytes exchanged',
    [/order|shard|byte|tensor|weight/i],
    inBytes((bytes) => {
      const half = 4 * Math.floor(bytes.length / 8);
      const first = bytes.slice(0, half);
      bytes.copyWithin(0, half, 2 * half);
      bytes.set(first, half);
    }),
    { layer: 'conv1', ...UNNAMEABLE },
  ),
];

function bigEndian(shard: Uint8Array): Uint8Array {
  const bytes = shard.slice();
  toBigEndian(bytes);
  return bytes;
}
