import { concatenate as join } from '../../src/base/bytes.js';
import { crc32 } from '../../src/checkpoint/container/crc32.js';
import { readZipDirectory } from '../../src/checkpoint/container/zip-directory.js';

/** One entry of an archive; what is not given is derived from the data, rightly. */
export interface NewEntry {
  readonly name: string;
  /** The bytes as they lie in the archive. */
  readonly data: Uint8Array;
  /** 0 stored, 8 deflated. */
  readonly method?: number;
  /** The claimed checksum of the unpacked bytes. */
  readonly crc32?: number;
  /** The claimed size of the unpacked bytes. */
  readonly size?: number;
}

/** Little-endian numbers, one after the other. */
function record(...fields: readonly (readonly [value: number, bytes: 2 | 4 | 8])[]): Uint8Array {
  const out = new Uint8Array(fields.reduce((sum, [, bytes]) => sum + bytes, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const [value, bytes] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else if (bytes === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += bytes;
  }
  return out;
}

export function concatenate(...parts: readonly Uint8Array[]): Uint8Array {
  return join(parts);
}

/** The end record of an archive. */
export function endRecord(
  count: number,
  size: number,
  offset: number,
  comment: Uint8Array = new Uint8Array(),
): Uint8Array {
  const fixed = record(
    [0x06054b50, 4],
    [0, 2],
    [0, 2],
    [count, 2],
    [count, 2],
    [size, 4],
    [offset, 4],
    [comment.length, 2],
  );
  return concatenate(fixed, comment);
}

/** The entries behind `offset` bytes of something else, and the central directory that lists them. */
export function zipParts(
  entries: readonly NewEntry[],
  offset = 0,
): { body: Uint8Array; directory: Uint8Array } {
  const body: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = offset;
  for (const { name, data, method = 0, crc32: crc = crc32(data), size = data.length } of entries) {
    const text = new TextEncoder().encode(name);
    const large = size > 0xffffffff;
    const extra = large ? record([1, 2], [8, 2], [size, 8]) : new Uint8Array();
    const shared = record(
      [20, 2],
      [0, 2],
      [method, 2],
      [0, 2],
      [0, 2],
      [crc, 4],
      [data.length, 4],
      [large ? 0xffffffff : size, 4],
      [text.length, 2],
      [extra.length, 2],
    );
    const local = concatenate(record([0x04034b50, 4]), shared, text, extra, data);
    const rest = record([0, 2], [0, 2], [0, 2], [0, 4], [at, 4]);
    directory.push(record([0x02014b50, 4], [20, 2]), shared, rest, text, extra);
    body.push(local);
    at += local.length;
  }
  return { body: concatenate(...body), directory: concatenate(...directory) };
}

/** Writes an archive of the entries. */
export function writeZip(entries: readonly NewEntry[]): Uint8Array {
  const { body, directory } = zipParts(entries);
  return concatenate(body, directory, endRecord(entries.length, directory.length, body.length));
}

/** The entries of an archive that holds them uncompressed. */
export function storedEntries(zip: Uint8Array): NewEntry[] {
  return readZipDirectory(zip).map(({ name, data }) => ({ name, data }));
}

/** A checkpoint as torch.save lays one out, around the pickle and the storages. */
export function checkpointZip(
  pickle: Uint8Array,
  storages: Readonly<Record<string, Uint8Array>> = {},
  more: Readonly<Record<string, Uint8Array>> = {},
): Uint8Array {
  const entry = (name: string, data: Uint8Array) => ({ name: `archive/${name}`, data });
  return writeZip([
    entry('data.pkl', pickle),
    ...Object.entries(storages).map(([key, data]) => entry(`data/${key}`, data)),
    entry('version', new TextEncoder().encode('3\n')),
    ...Object.entries(more).map(([name, data]) => entry(name, data)),
  ]);
}
