import type { PickleValue } from '../pickle/pickle-value.js';
import { pickle } from '../pickle/pickler.js';
import { Reducer } from '../pickle/reduce.js';
import type { Crc32 } from './crc32.js';
import { serializationId } from './serialization-id.js';
import { ALIGNMENT, writeZip, type ZipRecord } from './write-zip.js';

/**
 * The zip archive that torch.save has written since torch 1.6, with the records of torch 2.13.
 * Sources: torch/serialization.py (_save), caffe2/serialize/inline_container.cc.
 */

/** The top folder, where torch.save writes to a buffer; else it is the file's stem. */
const FOLDER = 'archive/';

/**
 * Writes an archive of one value.
 * @param build makes the value, with its tensors taken apart by the reducer
 * @throws Pth2tfjsError as {@link Reducer.tensor} and {@link writeZip} do
 */
export function writeArchive(
  build: (reducer: Reducer) => PickleValue,
  crc32: Crc32,
): Uint8Array<ArrayBuffer> {
  const reducer = new Reducer('zip');
  const record = (name: string, content: string | Uint8Array): ZipRecord => {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    return { name, bytes, crc32: crc32(bytes) };
  };
  const records = [
    record('data.pkl', pickle(build(reducer))),
    record('.format_version', '1'),
    record('.storage_alignment', String(ALIGNMENT)),
    record('byteorder', 'little'),
    ...reducer.storages.map(({ key, bytes }) => record(`data/${key}`, bytes)),
    record('version', '3\n'),
  ];
  const all = [...records, record('.data/serialization_id', serializationId(records))];
  return writeZip(all.map((entry) => ({ ...entry, name: FOLDER + entry.name })));
}
