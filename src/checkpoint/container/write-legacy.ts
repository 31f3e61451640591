import { concatenate } from '../../base/bytes.js';
import { List, type PickleValue } from '../pickle/pickle-value.js';
import { pickle } from '../pickle/pickler.js';
import { type NameStorage, Reducer } from '../pickle/reduce.js';
import { LEGACY_PROTOCOL } from './container.js';
import { u64 } from './little-endian.js';

/**
 * The legacy stream, which torch.save wrote before torch 1.6 and still writes when asked: five
 * pickles, then the storages in the order of their keys.
 * Source: torch/serialization.py, _legacy_save.
 */

const MAGIC = 0x1950a86a20f9469cfc6cn;

const SYSTEM_INFO = new Map<string, PickleValue>([
  ['protocol_version', LEGACY_PROTOCOL],
  ['little_endian', true],
  [
    'type_sizes',
    new Map([
      ['short', 2],
      ['int', 4],
      ['long', 4],
    ]),
  ],
]);

/**
 * Writes a stream of one value.
 * @param build makes the value, with its tensors taken apart by the reducer
 * @param nameStorage PyTorch names a storage by its address in memory; here they are counted
 * @throws Pth2tfjsError as {@link Reducer.tensor} does
 */
export function writeLegacyStream(
  build: (reducer: Reducer) => PickleValue,
  nameStorage?: NameStorage,
): Uint8Array<ArrayBuffer> {
  const reducer = new Reducer('legacy', nameStorage);
  const object = pickle(build(reducer));
  const storages = reducer.storages.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  return concatenate([
    pickle(MAGIC),
    pickle(LEGACY_PROTOCOL),
    pickle(SYSTEM_INFO),
    object,
    pickle(new List(storages.map(({ key }) => key))),
    ...storages.flatMap(({ numel, bytes }) => [Uint8Array.from(u64(numel)), bytes]),
  ]);
}
